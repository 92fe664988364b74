package publish

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"
)

const testName = "m1._domainkey.example.com"

var (
	long  = "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 400)
	other = standing{records: [][]string{{"v=DKIM1; p=other"}}}
)

// What may be done to a name, for everything that can stand there.
func TestJudge(t *testing.T) {
	whole := standing{records: [][]string{split(long)}}
	cutElsewhere := standing{records: [][]string{{long[:10], long[10:200], long[200:]}}}
	two := standing{records: [][]string{split(long), {"x"}}}
	alias := standing{alias: "elsewhere.example"}
	none := standing{}
	old := standing{records: [][]string{{"v=DKIM1; p=", "old"}}}
	was := []string{"v=DKIM1; p=old"}

	present, replace, absent := Present(testName, long, time.Hour), Replace(testName, long, time.Hour, was), Absent(testName, was)
	for _, test := range []struct {
		what   string
		change Change
		at     standing
		want   State // "" when it is due
	}{
		{"present, none", present, none, ""},
		{"present, already", present, whole, Done},
		{"present, already, cut elsewhere", present, cutElsewhere, Done},
		{"present, other", present, other, Conflict},
		{"present, two", present, two, Conflict},
		{"present, alias", present, alias, Conflict},
		{"replace, none", replace, none, Conflict},
		{"replace, old", replace, old, ""},
		{"replace, already", replace, whole, Done},
		{"replace, other", replace, other, Conflict},
		{"replace, two", replace, two, Conflict},
		{"replace, alias", replace, alias, Conflict},
		{"absent, none", absent, none, Done},
		{"absent, old", absent, old, ""},
		{"absent, other", absent, other, Conflict},
		{"absent, two", absent, two, Conflict},
		{"absent, alias", absent, alias, Done},
	} {
		end, due := test.change.judge(test.at)
		if due != (test.want == "") || end.State != test.want {
			t.Errorf("%s: due %v, %+v; want %q", test.what, due, end, test.want)
		}
	}
}

func TestBatchCheck(t *testing.T) {
	good := Present("M1._domainkey.Example.com.", long, time.Hour)
	if err := (Batch{Zone: "Example.COM.", Changes: []Change{good}}).Check(); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(*Change){
		"outside":          func(c *Change) { c.Name = "m1._domainkey.example.net" },
		"suffix":           func(c *Change) { c.Name = "m1._domainkey.badexample.com" },
		"upper case":       func(c *Change) { c.Name = "M1._domainkey.example.com" },
		"final dot":        func(c *Change) { c.Name += "." },
		"a blank":          func(c *Change) { c.Name = "m 1.example.com" },
		"another type":     func(c *Change) { c.Type = "A" },
		"unknown do":       func(c *Change) { c.Do = "append" },
		"no condition":     func(c *Change) { c.If = "" },
		"two conditions":   func(c *Change) { c.IfStrings = []string{"x"} },
		"replace whatever": func(c *Change) { c.Do, c.If = DoReplace, "" },
		"absent with text": func(c *Change) { c.Do, c.If, c.IfStrings = DoAbsent, "", []string{"x"} },
		"no text":          func(c *Change) { c.Text, c.Strings = "", nil },
		"strings differ":   func(c *Change) { c.Text += "x" },
		"a long string":    func(c *Change) { c.Strings = []string{c.Text} },
		"not UTF-8":        func(c *Change) { c.Text, c.Strings = "\xff", []string{"\xff"} },
		"far too long":     func(c *Change) { c.Text = strings.Repeat("a", 40000); c.Strings = split(c.Text) },
		"negative TTL":     func(c *Change) { c.TTLSeconds = -1 },
	} {
		c := good
		edit(&c)
		if err := (Batch{Zone: "example.com", Changes: []Change{c}}).Check(); err == nil {
			t.Errorf("%s: accepted: %+v", what, c)
		}
	}
	if err := (Batch{Zone: "example.com", Changes: []Change{good, good}}).Check(); err == nil {
		t.Error("a name twice is accepted")
	}
}

// A message holds what a server can take, whatever the sizes.
func TestPartsOfABatch(t *testing.T) {
	var changes []Change
	for i := range 250 {
		changes = append(changes, Replace(strings.Repeat("a", i%60+1)+"."+strings.Repeat("b.", i/60)+"example.com",
			strings.Repeat("x", i*12), 0, split(strings.Repeat("y", 1+i*12))))
	}
	u, sent := new(updater), 0
	for rest := changes; len(rest) > 0; sent++ {
		part := u.part(rest)
		rest = rest[len(part):]
		if n := u.update("example.com.", part).Len(); len(part) == 0 || len(part) > maxUpdateChanges || n > 65000 {
			t.Fatalf("a message of %d changes has %d octets", len(part), n)
		}
	}
	if sent < 3 || sent > 40 {
		t.Errorf("%d messages", sent)
	}
}

// The vectors are RFC 1035 §5.1's rules, and PowerDNS's and BIND's way of writing them.
func TestUnquote(t *testing.T) {
	for value, want := range map[string][]string{
		`"a b" "c"`:            {"a b", "c"},
		`"a;b"  "c\"d\\e"`:     {"a;b", `c"d\e`},
		`plain word`:           {"plain", "word"},
		`"\000\255\009" ""`:    {"\x00\xff\t", ""},
		`"v=DKIM1\; p=x"`:      {"v=DKIM1; p=x"},
		`"joined""two"`:        {"joined", "two"},
		"\t\"a\"\t":            {"a"},
		`"backslash at end\\"`: {`backslash at end\`},
	} {
		if got, err := unquoteAll(value); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", value, got, err, want)
		}
	}
	for _, value := range []string{``, ` `, `"open`, `"open\"`, `"`, `a\`} {
		if got, err := unquoteAll(value); err == nil {
			t.Errorf("%s is read as %q", value, got)
		}
	}
}

func TestParseTSIGKey(t *testing.T) {
	const secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
	for _, text := range []string{
		"key \"rotate\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secret + "\";\n};\n", // tsig-keygen
		`key rotate { algorithm HMAC-SHA256.; secret ` + secret + `; };`,
		"# the key\n// of\n/* rotate { */ key rotate. {secret \"" + secret + "\";algorithm hmac-sha256;};",
	} {
		k, err := parseTSIGKey(text)
		if err != nil || k != (tsigKey{"rotate.", "hmac-sha256.", secret}) {
			t.Errorf("%s: %v, %v", text, k, err)
		}
		if strings.Contains(k.String(), secret) {
			t.Error("the secret is shown")
		}
	}
	for _, text := range []string{
		"", "key rotate {", `key rotate { algorithm hmac-md5; secret "` + secret + `"; };`,
		`key rotate { secret "` + secret + `"; };`, `key rotate { algorithm hmac-sha256; };`, `key rotate { algorithm hmac-sha256; secret "?"; };`,
		`key a { algorithm hmac-sha256; secret "` + secret + `"; }; key b { algorithm hmac-sha256; secret "` + secret + `"; };`,
		`key "rotate { algorithm hmac-sha256; secret ` + secret, "/* " + secret,
	} {
		if k, err := parseTSIGKey(text); err == nil {
			t.Errorf("%s is read as %v", text, k)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is shown: %v", err)
		}
	}
}

func TestSpec(t *testing.T) {
	for text, good := range map[string]bool{
		"rfc2136 server=127.0.0.1 key=/k":                     true,
		"rfc2136 server=[::1]:5353 key=/k":                    true,
		"rfc2136 server=::1 key=/k":                           true,
		"rfc2136 key=/k server=ns1.example.net:5353":          true,
		"rfc2136 server=127.0.0.1":                            false,
		"rfc2136 server=127.0.0.1:x key=/k":                   false,
		"rfc2136 server=127.0.0.1:0 key=/k":                   false,
		"rfc2136 server=::1:5353 key=/k":                      false,
		"rfc2136 server=127.0.0.1.5 key=/k":                   false,
		"rfc2136 server=127.1 key=/k":                         false,
		"rfc2136 server=[::1 key=/k":                          false,
		"rfc2136 server=ns1.example.net. key=/k":              true,
		"rfc2136 server=a:b:c key=/k":                         false,
		"rfc2136 server=a server=b key=/k":                    false,
		"rfc2136 server=a key=/k zone=x":                      false,
		"rfc2136 server= key=/k":                              false,
		"bind server=a key=/k":                                false,
		"powerdns url=http://127.0.0.1:8081 key-file=/k":      true,
		"powerdns url=https://a/api/v1/servers/x key-file=/k": true,
		"powerdns url=127.0.0.1:8081 key-file=/k":             false,
		"powerdns url=http://u:p@a key-file=/k":               false,
		"powerdns url=http://a/?x key-file=/k":                false,
		"powerdns url=http://a":                               false,
		"exec /usr/share/dojang/hooks/acme.sh dns_cf":         true,
		"exec hook": false,
		"exec":      false,
		"manual":    true,
		"manual format=json mail=a@example.com,b@example.com": true,
		"manual format=xml":          false,
		"manual mail=nobody":         false,
		"manual mail=a@b\r\nBcc:c@d": false,
	} {
		words := strings.Fields(text)
		if err := (Spec{words[0], words[1:]}).Check(); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzTSIGKey(f *testing.F) {
	f.Add(`key "rotate" { algorithm hmac-sha256; secret "c2VjcmV0"; };`)
	f.Add(`/* x */ key a {`)
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := parseTSIGKey(text); err == nil && (k.name == "" || k.secret == "") {
			t.Errorf("%q: %#v", text, k)
		}
	})
}

// What one way of writing reads, the other has written.
func FuzzQuotes(f *testing.F) {
	f.Add(`"a" "b\"\\\255"`)
	f.Fuzz(func(t *testing.T, value string) {
		strs, err := unquoteAll(value)
		if err != nil {
			return
		}
		for _, s := range strs {
			if unescape(escape(s)) != s {
				t.Errorf("%q becomes %q", s, unescape(escape(s)))
			}
		}
	})
}

func TestManual(t *testing.T) {
	changes := []Change{Present(testName, long, time.Hour),
		Replace("m2._domainkey.example.com", "v=DKIM1; k=rsa; p=", time.Minute, []string{"old"}), Absent("m3._domainkey.example.com", []string{"o\x1b[", "ld"})}
	for format, wanted := range map[string][]string{
		"":          {"publish this, then do nothing", "name   m1._domainkey\n", "value  " + long + "\n", "in the place of", "m2._domainkey\n", "take this record away", "value  o\\x1b[ld\n"},
		"bind":      {testName + ".\t3600\tIN\tTXT\t\"" + long[:255] + "\" \"" + long[255:] + "\"\n"},
		"zone-line": {testName + ".\t3600\tIN\tTXT\t\"" + long[:255] + "\" \"" + long[255:] + "\"\n"},
		"powerdns":  {"pdnsutil replace-rrset example.com m1._domainkey TXT 3600 '\"" + long[:255]},
		"nsupdate":  {"update add " + testName + ". 3600 IN TXT \"" + long[:255], "update delete m2._domainkey.example.com. TXT\n"},
		"route53":   {`"Name": "m1._domainkey.example.com."`, `"TTL": 60`},
		"json":      {`"text": "` + long + `"`, `"domain": "example.com"`, `"selector": "m1"`},
	} {
		var out strings.Builder
		var mail []byte
		s := Spec{TypeManual, []string{"mail=hostmaster@example.com,b@example.net"}}
		if format != "" {
			s.Args = append(s.Args, "format="+format)
		}
		m, err := Open(s, Options{Out: &out, From: "dojang@mx.example.com",
			Send: func(_ context.Context, to []string, message []byte) error {
				if !reflect.DeepEqual(to, []string{"hostmaster@example.com", "b@example.net"}) {
					t.Errorf("to %q", to)
				}
				mail = message
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		results, err := m.Apply(t.Context(), Batch{Zone: "example.com", Changes: changes})
		if err != nil || len(results) != 3 || results[0].State != Pending || results[0].RetryAfterSeconds != remindSeconds {
			t.Errorf("%s: %+v, %v", format, results, err)
		}
		for _, text := range wanted {
			if !strings.Contains(out.String(), text) || !strings.Contains(string(mail), text) {
				t.Errorf("%s lacks %q:\n%s", format, text, &out)
			}
		}
		if head, _, _ := strings.Cut(string(mail), "\n\n"); !strings.Contains(head,
			"To: hostmaster@example.com, b@example.net\n") || !strings.Contains(head, "Auto-Submitted: auto-generated") {
			t.Errorf("%s", head)
		}
	}
}

// TestNoSecretInErrors: a key where its file is to stand, and a password in a URL.
func TestNoSecretInErrors(t *testing.T) {
	for _, line := range []string{
		"powerdns url=http://u:swordfish@127.0.0.1:1 key-file=/k", "powerdns url=http://swordfish@127.0.0.1:1 key-file=/k", "powerdns url=http://127.0.0.1:1?key=swordfish key-file=/k",
		"powerdns url=http://127.0.0.1:1 key=swordfish", "powerdns url=http://127.0.0.1:1 swordfish", "powerdns url=http://127.0.0.1:1 key-file=swordfish",
		"rfc2136 server=127.0.0.1 key=hmac-sha256:k:swordfish", "rfc2136 server=127.0.0.1 secret=swordfish key=/k", "rfc2136 swordfish",
	} {
		words := strings.Fields(line)
		if err := (Spec{words[0], words[1:]}).Check(); err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
