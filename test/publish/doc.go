// Package publish proves internal/publish, the hooks of packaging/hooks and `dojang
// publish` with real name servers, users and programs.
package publish
