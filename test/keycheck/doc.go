// Package keycheck has no code of its own: its tests check keys that BIND, Knot,
// PowerDNS and NSD serve, right and wrong in every mixture, below a root of their own,
// through unbound.
package keycheck
