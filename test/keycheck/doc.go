// Package keycheck has no code of its own: its tests check keys that BIND, Knot,
// PowerDNS and NSD serve, right and wrong in every mixture, below a root of their own,
// through unbound, and put what dojang's programs write for a zone into BIND and PowerDNS.
package keycheck
