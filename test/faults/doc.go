// Package faults holds tests that treat the filter badly: hostile and dying
// clients, too few descriptors, a full disk, broken tables, lying name servers,
// signals at the wrong time. Each asks what is answered, that no mail is lost
// or wrongly signed, and that the process lives and recovers.
package faults
