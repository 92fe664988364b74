package openers

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// TestEveryTypeHasAnOpener opens each kind without its server: a failure of the server, not
// of the name.
func TestEveryTypeHasAnOpener(t *testing.T) {
	o := dataset.Options{Openers: All(Options{Remote: remote.Options{Timeout: 1e9}})}
	for spec, temporary := range map[string]bool{
		"dsn:mysql://u:geheim@1+127.0.0.1/d/table=t?keycol=k?datacol=v": true, "dsn:pgsql://u:geheim@1+127.0.0.1/d/table=t?keycol=k?datacol=v": true,
		"ldap://127.0.0.1:1/dc=test?a?sub?(x=$d)": true, "memcache:127.0.0.1:1/p": true, "redis://:geheim@127.0.0.1:1/0": true, "socket:/nonexistent": true,
		"http://127.0.0.1:1/": true, "db:/nonexistent": false, "/nonexistent.db": false, "mdb:/nonexistent": false, "erlang:n@h:geheim:m:f": false, "lua:/x": false,
	} {
		_, err := dataset.Open(context.Background(), spec, o)
		if err == nil || errors.Is(err, dataset.ErrNotFound) || dataset.IsTemporary(err) != temporary || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestSoftStartOpensAllServers(t *testing.T) {
	o := dataset.Options{Openers: All(Options{Remote: remote.Options{SoftStart: true}})}
	for _, spec := range []string{"dsn:pgsql://u@1+127.0.0.1/d/table=t?keycol=k?datacol=v", "ldap://127.0.0.1:1/", "redis://127.0.0.1:1", "memcache:127.0.0.1:1/p"} {
		set, err := dataset.Open(context.Background(), spec, o)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if _, err := set.Lookup(context.Background(), "k", 1); !dataset.IsTemporary(err) || errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%s: %v", spec, err)
		}
		set.Close()
	}
}
