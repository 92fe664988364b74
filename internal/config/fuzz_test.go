package config

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// FuzzLoad reads any file: nothing may panic, the accessors must agree with
// what was checked, and what Dump writes must be readable.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/wild/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{"Syslog", "On-Default x", "UMask 0x\xff", "Socket inet:1@[::1",
		"Minimum %", "AutoRestartRate /", "MessageTimeBudget ms", "Include f.conf", "Include \x00", "\xef\xbb\xbf#", "ClockDrift -0x80000000"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "f.conf")
	f.Fuzz(func(t *testing.T, data []byte) {
		// Through the parser of lines, with Include reaching no other file.
		c := New()
		r := reader{take: c.take, files: maxFiles, open: []string{path}}
		r.lines(path, data)
		for _, o := range table() {
			if o.Status == Historic {
				continue
			}
			switch f := c.Field(o.Name).(type) {
			case *Setting[int]:
				if f.Value < 0 || o.Type == Octal && f.Value > 0o777 {
					t.Errorf("%s is %d", o.Name, f.Value)
				}
			case *Setting[time.Duration]:
				if f.Value < 0 {
					t.Errorf("%s is %v", o.Name, f.Value)
				}
			case *Setting[Frequency]:
				if f.IsSet() && (f.Value.Count < 0 || f.Value.Per <= 0) {
					t.Errorf("%s is %v", o.Name, f.Value)
				}
			case *Setting[Socket]:
				if got, want := len(c.Sockets()), len(counting(&c.Socket)); o.Repeatable && got != want {
					t.Errorf("%d sockets of %d", got, want)
				}
			case *Setting[string]:
				if len(o.Allowed) > 0 && f.IsSet() && !slices.Contains(o.Allowed, f.Value) {
					t.Errorf("%s %q is no choice", o.Name, f.Value)
				}
			}
			c.Extract(o.Name)
		}
		c.Check().Write(io.Discard)
		if err := c.Dump(io.Discard); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseSocket(f *testing.F) {
	for _, seed := range []string{"inet:8891@localhost", "inet6:8891@[::1]", "local:/s mode=0660 owner=a group=b sign",
		"/x", "inet:", "inet:x@[]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSocket(text)
		if err == nil && (s.Address == "" || s.Network == "" || s.Mode > 0o777) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}
