// Package databases tests the whole filter with its tables in real servers, which
// the tests start in temporary folders: PostgreSQL, MariaDB, Redis, slapd and
// memcached.
package databases
