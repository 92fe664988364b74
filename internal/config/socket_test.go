package config

import (
	"strings"
	"testing"
)

func TestParseSocket(t *testing.T) {
	for text, want := range map[string]Socket{
		"inet:8891@localhost":               {Network: "tcp4", Address: "localhost:8891"},
		"INET:8891@localhost":               {Network: "tcp4", Address: "localhost:8891"},
		"inet:8891@127.0.0.1":               {Network: "tcp4", Address: "127.0.0.1:8891"},
		"inet:8891@[127.0.0.1]":             {Network: "tcp4", Address: "127.0.0.1:8891"},
		"inet:8891 @localhost":              {Network: "tcp4", Address: "localhost:8891"},
		"inet:08891":                        {Network: "tcp4", Address: ":8891"},
		"inet:0@localhost":                  {Network: "tcp4", Address: "localhost:0"},
		"inet:smtp@localhost":               {Network: "tcp4", Address: "localhost:25"},
		"inet6:8891@[::1]":                  {Network: "tcp6", Address: "[::1]:8891"},
		"inet6:8891@::1":                    {Network: "tcp6", Address: "[::1]:8891"},
		"inet6:8891@localhost":              {Network: "tcp6", Address: "localhost:8891"},
		"inet6:8891":                        {Network: "tcp6", Address: ":8891"},
		"local:/run/opendkim/opendkim.sock": {Network: "unix", Address: "/run/opendkim/opendkim.sock"},
		"unix:/run/a:b":                     {Network: "unix", Address: "/run/a:b"},
		"/run/a:b":                          {Network: "unix", Address: "/run/a:b"},
		"relative.sock":                     {Network: "unix", Address: "relative.sock"},
		"inet":                              {Network: "unix", Address: "inet"},
		"local:/s mode=0660 owner=opendkim group=postfix": {Network: "unix", Address: "/s", Mode: 0o660, HasMode: true, Owner: "opendkim", Group: "postfix"},
		"local:/s\tMODE=0 role=sign":                      {Network: "unix", Address: "/s", HasMode: true, Role: RoleSign},
		"inet:8891@localhost verify":                      {Network: "tcp4", Address: "localhost:8891", Role: RoleVerify},
		"inet:8891@localhost both":                        {Network: "tcp4", Address: "localhost:8891", Role: RoleBoth},
	} {
		if got, err := ParseSocket(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                            "no address",
		" ":                           "no address",
		"bogus:1":                     `unknown kind of socket "bogus"`,
		"inet:":                       `"" is no port number`,
		"inet:abc-def-ghi@localhost":  `"abc-def-ghi" is no port number`,
		"inet:70000":                  `"70000" is no port number`,
		"inet:-1":                     `"-1" is no port number`,
		"inet:+25":                    `"+25" is no port number`,
		"inet:8891@":                  "no host after @",
		"inet:8891@[]":                "no host after @",
		"inet:8891@[::1":              `"[::1" lacks a bracket`,
		"inet:8891@::1":               "::1 is an IPv6 address: write inet6: before the port",
		"inet6:8891@127.0.0.1":        "127.0.0.1 is an IPv4 address: write inet: before the port",
		"inet:8891@a@b":               `"a@b" is no host`,
		"inet:8891@localhost:25":      `"localhost:25" is no address`,
		"local:":                      "no path",
		"local:/" + long(107):         "the path is 108 bytes long; a UNIX socket's may have 107",
		"local:/s mode=0888":          `mode="0888" is not an octal mode such as 0660`,
		"local:/s mode=07777":         `mode="07777" is not an octal mode such as 0660`,
		"local:/s owner=":             "owner= needs a value",
		"local:/s colour=red":         `unknown attribute "colour=red"`,
		"local:/a b":                  `unknown word "b": the attributes are mode=, owner=, group=, sign, verify and both`,
		"inet:8891 mode=0660":         "mode= is for local: sockets",
		"inet:8891@localhost role=do": `unknown word "do": the attributes are mode=, owner=, group=, sign, verify and both`,
	} {
		if got, err := ParseSocket(text); err == nil || err.Error() != want {
			t.Errorf("%q: %+v, %v, want %s", text, got, err, want)
		}
	}
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

// Compat(opendkim 2.11): of plain lines the last alone counts.
func TestSockets(t *testing.T) {
	addresses := func(text string) string {
		c, _ := load(t, text)
		list := ""
		for _, s := range c.Sockets() {
			list += s.Address + " "
		}
		return list
	}
	const first, second = "Socket local:/first\n", "Socket inet:2@localhost\n"
	if got := addresses(first + second); got != "localhost:2 " {
		t.Errorf("two plain lines: %s", got)
	}
	if got := addresses("Socket local:/first mode=0660\n" + second); got != "/first localhost:2 " {
		t.Errorf("with an attribute: %s", got)
	}
	if got := addresses(first + "Socket inet:2@localhost verify\n"); got != "/first localhost:2 " {
		t.Errorf("with a role: %s", got)
	}
	if got := addresses(""); got != "" {
		t.Errorf("none: %s", got)
	}
	c, _ := load(t, "Socket local:/first sign\n"+second)
	c.Set("socket", "inet:3", Environment)
	c.Set("Socket", "inet:4", CommandLine)
	if got := counting(&c.Socket); len(got) != 1 || got[0] != (Value{Text: "inet:4", File: "command line"}) {
		t.Errorf("the command line must stand alone: %v", got)
	}
}

// A port where the host belongs is said as it is meant.
func TestSocketHints(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:9891": "write MetricsSocket inet:9891@127.0.0.1", "[::1]:9891": "write MetricsSocket inet6:9891@::1", ":9891": "write MetricsSocket inet:9891",
		"inet:127.0.0.1:9891": "write MetricsSocket inet:9891@127.0.0.1", "tcp:localhost:9891": "write MetricsSocket inet:9891@localhost", "what:ever": "write MetricsSocket inet:9891@localhost",
		"9891": "write MetricsSocket inet:9891@localhost", "localhost": "write the whole path, or MetricsSocket inet:9891@localhost",
	} {
		if problems := New().Set("MetricsSocket", text, CommandLine); len(problems) != 1 || problems[0].Hint != want {
			t.Errorf("%s: %v, want %q", text, problems, want)
		}
	}
	for _, text := range []string{"/run/x", "local:/run/x", "unix:./x", "9891@localhost/x"} {
		if problems := New().Set("MetricsSocket", text, CommandLine); len(problems) > 0 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// What is meant keeps its port: the example's would be another than the MTA's.
func TestSocketHintsKeepThePort(t *testing.T) {
	for text, want := range map[string]string{
		"inet: 9971@127.0.0.1": "inet:9971@127.0.0.1", "inet:9971@::1": "inet6:9971@::1", "inet6:9971@127.0.0.1": "inet:9971@127.0.0.1",
		"inet:9971 @ 127.0.0.1": "inet:9971@127.0.0.1", "inet:9971,127.0.0.1": "inet:9971@127.0.0.1", "tcp:9971@127.0.0.1": "inet:9971@127.0.0.1",
		"inet4:9971@127.0.0.1": "inet:9971@127.0.0.1", "inet:9971@127.0.0.1:25": "inet:9971@127.0.0.1", "inet:9971@*": "inet:9971", "inet:9971@": "inet:9971",
		"inet:9971@127.0.0.1.": "inet:9971@127.0.0.1", "inet:9971@localhost;": "inet:9971@localhost", `"inet:9971@localhost"`: "inet:9971@localhost",
		"{local:/run/x}": "local:/run/x", `"local:/run/x"`: "local:/run/x", "local: /run/x": "local:/run/x", "inet:99999@localhost": "inet:8891@localhost",
		"inet:what@localhost": "inet:8891@localhost", "inet:@127.0.0.1": "inet:8891@localhost",
	} {
		problems := New().Set("Socket", text, CommandLine)
		if len(problems) == 0 || !strings.HasPrefix(problems[0].Hint+" ", "write Socket "+want+" ") {
			t.Errorf("%s: %v, want %q", text, problems, want)
			if len(problems) > 0 {
				t.Log(problems[0].Hint)
			}
		}
	}
}

// The addresses of name servers within what people write are said with commas.
func TestNameserverHints(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1 ::1": "127.0.0.1,::1", "127.0.0.1;::1": "127.0.0.1,::1", `"127.0.0.1"`: "127.0.0.1", "127.0.0.1.": "127.0.0.1", "dns://127.0.0.1": "127.0.0.1",
		"=127.0.0.1": "127.0.0.1", "127.0.0.1, ns.example": "127.0.0.1", "localhost": "192.0.2.1,2001:db8::1", "127.0.0.1@0": "192.0.2.1,2001:db8::1", "127.0.0.1@x": "192.0.2.1,2001:db8::1",
		"::1:5353": "[::1]:5353",
	} {
		c := New()
		problems := c.Set("Nameservers", text, CommandLine)
		if len(problems) == 0 || !strings.HasSuffix(problems[0].Hint, "Nameservers "+want) {
			t.Errorf("%s: %v, want %q", text, problems, want)
		}
	}
	for _, text := range []string{"[127.0.0.1]:5353", "127.0.0.1@5353", "[::1]@5353", "::1@5353", "[::1]"} {
		if problems := New().Set("Nameservers", text, CommandLine); len(problems) > 0 {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
