// Package publish proves internal/publish and the hooks of packaging/hooks with real name
// servers and programs.
package publish
