// Package dnssec has no code of its own: its tests make trees of signed zones by seed, right
// and wrong in every way that zones are, and hold the filter's verdicts on what is found in
// them against unbound's. BIND serves the zones,
// and signs those of a tree that is listed.
package dnssec
