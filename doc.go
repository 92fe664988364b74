// Package dojang is the root of a DKIM signing and verifying mail filter. The
// program is in cmd/dojang; header, taglist, dkim, milter and authres are
// packages for other programs too.
package dojang
