package postfix

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The syntax is that of postconf(5), smtpd_milters, and of MILTER_README.
func TestParseMilters(t *testing.T) {
	for _, c := range []struct {
		list   string
		want   []Endpoint
		failed bool
	}{
		{"", nil, false},
		{"inet:localhost:8891", []Endpoint{{Kind: "inet", Host: "localhost", Port: "8891"}}, false},
		{"inet:[::1]:8891,unix:private/f", []Endpoint{{Kind: "inet", Host: "::1", Port: "8891"}, {Kind: "unix", Path: "private/f"}}, false},
		{"{ inet:127.0.0.1:9, connect_timeout=10s, default_action=accept }, local:/run/f", []Endpoint{{Kind: "inet", Host: "127.0.0.1", Port: "9"}, {Kind: "unix", Path: "/run/f"}}, false},
		{"{inet:h:9,command_timeout=10s}", []Endpoint{{Kind: "inet", Host: "h", Port: "9"}}, false},
		{"{ unix:f { mail_macros = i, {auth_type} } }", []Endpoint{{Kind: "unix", Path: "f"}}, false},
		{"inet:9", []Endpoint{{Kind: "inet", Port: "9"}}, false},
		{"inet:localhost:", []Endpoint{{Kind: "inet", Host: "localhost"}}, true},
		{"{ inet:h:9, timeout=10s }", []Endpoint{{Kind: "inet", Host: "h", Port: "9"}}, true},
		{"tcp:h:9", []Endpoint{{Kind: "tcp", Path: "h:9"}}, true},
		{"{ inet:h:9, connect_timeout=1s", []Endpoint{{Kind: "inet", Host: "h", Port: "9"}}, true},
	} {
		milters, err := ParseMilters(c.list)
		var got []Endpoint
		for _, m := range milters {
			got = append(got, m.Socket)
		}
		if d := cmp.Diff(c.want, got); d != "" || (err != nil) != c.failed {
			t.Errorf("%q: %v\n%s", c.list, err, d)
		}
	}
}

// postconf -P refuses blanks in a value: "-Pe does not accept whitespace in parameter
// value".
func TestCompact(t *testing.T) {
	for list, want := range map[string]string{
		"inet:a:1, inet:b:2":                           "inet:a:1,inet:b:2",
		"{ inet:a:1, connect_timeout=10s },\n  unix:f": "{inet:a:1,connect_timeout=10s},unix:f",
		"$mine inet:b:2":                               "$mine,inet:b:2",
		"{ inet:a:1, protocol = 6 }":                   "", // the blanks are part of it
		"{ inet:a:1 { mail_macros=i } }":               "{inet:a:1,{mail_macros=i}}",
		"{ inet:a:1":                                   "",
	} {
		got, ok := compact(list)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v, want %q", list, got, ok, want)
		}
	}
}

func TestFilePath(t *testing.T) {
	for _, c := range []struct {
		path   string
		chroot bool
		want   string
	}{{"/run/f", false, "/run/f"}, {"run/f", false, "/var/spool/postfix/run/f"}, {"/run/f", true,
		"/var/spool/postfix/run/f"}, {"run/f", true, "/var/spool/postfix/run/f"}} {
		if got := (Endpoint{Kind: "unix", Path: c.path}).FilePath("/var/spool/postfix", c.chroot); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
