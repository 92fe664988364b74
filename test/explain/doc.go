// Package explain proves what `dojang explain` claims: messages that lists and mail servers
// have edited, by a generator and by real programs, are explained, and each proof is undone
// here, by what it says was there, and verified by dkimpy, which shares no code with ours.
package explain
