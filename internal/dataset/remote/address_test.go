package remote

import "testing"

func TestHostPort(t *testing.T) {
	for text, want := range map[string][2]string{
		"": {"localhost", "1"}, "h": {"h", "1"}, "h:2": {"h", "2"}, ":2": {"localhost", "2"},
		"192.0.2.1": {"192.0.2.1", "1"}, "192.0.2.1:65535": {"192.0.2.1", "65535"},
		"::1": {"::1", "1"}, "[::1]": {"::1", "1"}, "[::1]:2": {"::1", "2"}, "[2001:db8::1:53]": {"2001:db8::1:53", "1"},
		"2001:db8::53": {"2001:db8::53", "1"}, "2001:db8::1:fefe": {"2001:db8::1:fefe", "1"},
		"fe80::1%lo": {"fe80::1%lo", "1"}, "[fe80::1%lo]:2": {"fe80::1%lo", "2"},
	} {
		if host, port, err := HostPort(text, "1"); err != nil || [2]string{host, port} != want {
			t.Errorf("%s: %s, %s, %v", text, host, port, err)
		}
	}
	for _, text := range []string{"h:", "h:0", "h:65536", "h:x", "h:-1", "h:+1", "h:1:2", "::1:6379",
		"2001:db8::1:53", "[::1", "::1]", "[::1]x", "[::1]:",
		"[h]", "u@h", "u@h:1", "a b"} {
		if host, port, err := HostPort(text, "1"); err == nil {
			t.Errorf("%s: %s, %s", text, host, port)
		}
	}
}
