package dataset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSpec(t *testing.T) {
	for s, want := range map[string]Spec{
		"":                             {TypeList, ""},
		"a,b":                          {TypeList, "a,b"},
		"csl:":                         {TypeList, ""},
		"csl:/x,y":                     {TypeList, "/x,y"},
		"/etc/KeyTable":                {TypeFile, "/etc/KeyTable"},
		"  /etc/KeyTable":              {TypeFile, "/etc/KeyTable"},
		"/etc/keys.db":                 {TypeDB, "/etc/keys.db"},
		"keys.db":                      {TypeDB, "keys.db"},
		"file:/etc/keys.db":            {TypeFile, "/etc/keys.db"},
		"refile:/etc/SigningTable":     {TypePatterns, "/etc/SigningTable"},
		"REFILE:/etc/SigningTable":     {TypePatterns, "/etc/SigningTable"},
		"db:/etc/x":                    {TypeDB, "/etc/x"},
		"dsn:mysql://u:p@3306+h/d/t=x": {TypeDSN, "mysql://u:p@3306+h/d/t=x"},
		"ldap://a/ ldap://b/":          {TypeLDAP, "ldap://a/ ldap://b/"},
		"LDAPS://a/":                   {TypeLDAP, "ldaps://a/"},
		"ldapi://%2fx/":                {TypeLDAP, "ldapi://%2fx/"},
		"lua:/x.lua":                   {TypeLua, "/x.lua"},
		"memcache:h/p":                 {TypeMemcache, "h/p"},
		"mdb:/dir":                     {TypeMDB, "/dir"},
		"socket:/run/x":                {TypeSocket, "/run/x"},
		"erlang:n@h:c:m:f":             {TypeErlang, "n@h:c:m:f"},
		"redis://h/0":                  {TypeRedis, "redis://h/0"},
		"redis+sentinel://h/0":         {TypeRedis, "redis+sentinel://h/0"},
		"https://h/x":                  {TypeHTTP, "https://h/x"},
		"./KeyTable":                   {TypeList, "./KeyTable"},
		"::1, 127.0.0.1":               {TypeList, "::1, 127.0.0.1"},
		"beef::1,a":                    {TypeList, "beef::1,a"},
		"beef::/16":                    {TypeList, "beef::/16"},
		"k=d:s:/etc/k":                 {TypeList, "k=d:s:/etc/k"},
	} {
		got, err := ParseSpec(s)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", s, err, diff)
		}
	}
	for _, s := range []string{"file:", "dsn:", "a\x00b", "reflie:/etc/SigningTable", `"refile:/etc/SigningTable"`, "nosuch:x"} {
		if _, err := ParseSpec(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestSpecStringHidesPasswords(t *testing.T) {
	for _, s := range []string{"dsn:mysql://user:geheim@3306+h/d/table=t", "redis://:geheim@h/0",
		"https://u:geheim@h/x", "erlang:n@h:geheim:m:f", "redis+cluster://u:geheim@a:1"} {
		spec, err := ParseSpec(s)
		if err != nil || strings.Contains(spec.String(), "geheim") {
			t.Errorf("%s: %s, %v", s, spec, err)
		}
	}
}

func TestOpenFailures(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, []byte("a b\nc d\n"+strings.Repeat("x", 100)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nul := filepath.Join(dir, "nul")
	if err := os.WriteFile(nul, []byte("a b\nc\x00 d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec string
		o    Options
		want string
	}{
		{"file:/nonexistent/x", Options{}, "no such file or directory"},
		{"refile:/nonexistent/x", Options{}, "no such file or directory"},
		{"file:" + dir, Options{}, "is a directory"},
		{big, Options{MaxFileBytes: 50}, "file is larger than 50 bytes"},
		{big, Options{MaxLineBytes: 50}, "big:3: line is longer than 50 bytes"},
		{"refile:" + big, Options{MaxRows: 2}, "more than 2 rows"},
		{nul, Options{}, "nul:2: line contains a NUL byte"},
		{"erlang:n@h:c:m:f", Options{}, "use http:, socket:, redis: or dsn:"},
		{"dsn:mysql://x", Options{}, `"dsn" are not available`},
	} {
		_, err := Open(context.Background(), c.spec, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || IsTemporary(err) {
			t.Errorf("%s: %v, want %s", c.spec, err, c.want)
		}
	}
}

func TestOpeners(t *testing.T) {
	var got Spec
	o := Options{Openers: map[string]Opener{TypeRedis: func(_ context.Context, s Spec, _ Options) (Set,
		error) {
		got = s
		return broken{}, nil
	}}}
	set := open(t, "redis://h/0", o)
	if _, err := set.Lookup(context.Background(), "k", 1); !IsTemporary(err) || errors.Is(err, ErrNotFound) || got.Args != "redis://h/0" {
		t.Error(got, err)
	}
}
