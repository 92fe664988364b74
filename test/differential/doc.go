// Package differential sends thousands of mutated signatures, headers, bodies
// and key records through Debian's opendkim and ours, and compares the verdicts.
package differential
