// Package cluster tries several filters as one service: each in a network namespace
// of its own, behind HAProxy and behind a name with several addresses, with tables in
// PostgreSQL (a primary and a streaming replica) and in a Redis Cluster of six nodes.
// While Postfix takes mail, parts of it are killed.
package cluster
