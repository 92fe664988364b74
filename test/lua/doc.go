// Package lua runs the same scripts in dojang and in Debian's opendkim and
// compares what becomes of the same messages. It holds tests only.
package lua
