// Package rotation proves internal/rotate and the commands dojang keys, publish and
// rotate with real name servers, databases and filters.
package rotation
