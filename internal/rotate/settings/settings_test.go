package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"dojang/internal/config"
	"dojang/internal/problem"
	"dojang/internal/publish"
)

func load(t *testing.T, text string) (*Settings, problem.List) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rotate.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

// The example of the design, with everything in it.
func TestLoad(t *testing.T) {
	s, problems := load(t, `# how keys change
config          /etc/opendkim.conf
Interval        90d
KeepOld         5s
KeepRevoked     1m
Margin          0
Proofs          1
ProofInterval   1s
MaxCredit       1h
SelectorFormat  k%y%j%H
KeyTypes        RSA2048 ed25519
TTL             3600  # an hour
Nameservers     127.0.0.1, [::1]:5353
IgnoreServer    NS9.example.net. 192.0.2.9
Publisher bind  rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key
Publisher cf    exec /usr/share/dojang/hooks/acme.sh dns_cf
Publisher hand  manual format=single-line mail=hostmaster@example.com
Zone Example.com            bind
Zone *.customers.example    hand
Zone *                      cname=DKIM.host.example ring=k1,k2,k3 publisher=bind
Group shop example.net
Group shop münchen.example
Hosts unix:/run/opendkim/status http://mx2.example.com:9180
Hosts https://mx3.example.com/status
Rate 4/s
Day 300
MaxRun 30s
Witness 192.0.2.53
Witness 192.0.2.54,192.0.2.55
`)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	want := &Settings{
		Path: s.Path, Config: "/etc/opendkim.conf", State: "/var/lib/dojang/rotate", Interval: 90 * 24 * time.Hour,
		KeepOld: 5 * time.Second, KeepRevoked: time.Minute,
		Proofs: 1, ProofInterval: time.Second, MaxCredit: time.Hour, SelectorFormat: "k%y%j%H", KeyTypes: []KeyType{{"rsa",
			2048}, {"ed25519", 0}}, TTL: time.Hour,
		Nameservers: []string{"127.0.0.1", "[::1]:5353"}, IgnoreServers: []string{"ns9.example.net", "192.0.2.9"},
		Publishers: []Publisher{
			{Name: "bind", Spec: publish.Spec{Type: "rfc2136", Args: []string{"server=127.0.0.1", "key=/etc/dojang/dns/tsig.key"}}},
			{Name: "cf", Spec: publish.Spec{Type: "exec", Args: []string{"/usr/share/dojang/hooks/acme.sh", "dns_cf"}}},
			{Name: "hand", Spec: publish.Spec{Type: "manual", Args: []string{"format=single-line", "mail=hostmaster@example.com"}}},
		},
		Zones: []Zone{{Pattern: "example.com", Publisher: "bind"}, {Pattern: "*.customers.example", Publisher: "hand"},
			{Pattern: "*", Publisher: "bind", CNAME: "dkim.host.example", Ring: []string{"k1", "k2", "k3"}}},
		Groups: []Group{{Name: "shop", Domains: []string{"example.net", "xn--mnchen-3ya.example"}}},
		Hosts:  []string{"unix:/run/opendkim/status", "http://mx2.example.com:9180", "https://mx3.example.com/status"},
		Rate:   config.Frequency{Count: 4, Per: time.Second}, Day: 300, MaxRun: 30 * time.Second,
		Witnesses: []string{"192.0.2.53", "192.0.2.54", "192.0.2.55"},
	}
	for i := range s.Publishers {
		s.Publishers[i].At = config.Value{}
	}
	s.grouped = nil
	for i := range s.Zones {
		s.Zones[i].At = config.Value{}
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	for domain, publisher := range map[string]string{"example.com": "bind", "EXAMPLE.com.": "bind",
		"sub.example.com": "bind", "a.customers.example": "hand", "b.a.customers.example": "hand",
		"customers.example": "bind", "xcustomers.example": "bind"} {
		z, ok := s.ZoneOf(domain)
		if !ok || z.Publisher != publisher || (z.CNAME != "") != (publisher == "bind" &&
			!strings.EqualFold(strings.TrimSuffix(domain, "."), "example.com")) {
			t.Errorf("%s: %+v, %v", domain, z, ok)
		}
	}
}

func TestDefaults(t *testing.T) {
	s, problems := load(t, "")
	day := 24 * time.Hour
	want := Settings{Path: s.Path, Config: "/etc/opendkim.conf", State: "/var/lib/dojang/rotate", Interval: 180 * day,
		KeepOld: 30 * day, KeepRevoked: 30 * day, Margin: 10 * time.Minute,
		Proofs: 3, ProofInterval: 10 * time.Minute, MaxCredit: 2 * time.Hour, SelectorFormat: "%Y%m%d",
		TTL: time.Hour, MaxRun: 20 * time.Minute}
	if len(problems) != 0 || !reflect.DeepEqual(*s, want) {
		t.Errorf("%+v, %v", s, problems)
	}
}

// Each line is one mistake, and is told with its line, option and a remedy.
func TestProblems(t *testing.T) {
	for _, test := range []struct{ line, problem, hint string }{
		{"Intervall 180d", `unknown option "Intervall"`, "did you mean Interval?"},
		{"Interval=180d", `unknown option "Interval=180d"`, "a blank instead of the equals sign"},
		{"Interval: 180d", `unknown option "Interval:"`, "without a colon"},
		{"KeyTable /etc/t", `unknown option "KeyTable"`, "opendkim.conf"},
		{"Interval", "no value", "write Interval 180d"},
		{"Interval soon", `"soon" is no time`, "write Interval 180d"},
		{"Interval -1d", `no time`, "write Interval 180d"},
		{"Margin 10ms", `no time`, "write Margin 10m"},
		{"Interval 99999999999d", `no time`, ""},
		{"Proofs 0", "is no number from 1 to", ""},
		{"State here", "not a whole path", ""},
		{"SelectorFormat %Y%Q", "are known", ""},
		{"SelectorFormat mail", "no part of the date", ""},
		{"SelectorFormat %Y m", "makes the selector", ""},
		{"SelectorFormat %Y" + strings.Repeat("a", 60), "makes the selector", ""},
		{"SelectorFormat %Y.", "makes the selector", ""},
		{"MaxCredit 0", "is not from 1 s to", "write MaxCredit 2h"},
		{"MaxRun 0", "is not from 1 s to", "write MaxRun 20m"},
		{"TTL 30000d", "is not from 0 s to 2147483647 s", "write TTL 1h"},
		{"KeyTypes rsa1024", "2048, 3072 or 4096", ""},
		{"KeyTypes dsa", "no type of key", ""},
		{"KeyTypes rsa2048 rsa4096", "two keys of the type rsa", ""},
		{"Rate often", "is no rate", "write Rate 4/s"},
		{"Rate 0/s", "is no rate", ""},
		{"Day many", "is no number", ""},
		{"Nameservers localhost", "is not a name server's address", ""},
		{"Witness x", "is not a name server's address", ""},
		{"IgnoreServer a;b", "neither the name nor the address", ""},
		{"Publisher bind", "a name and a type", "write Publisher bind rfc2136"},
		{"Publisher bind bind9 x", `unknown type "bind9"`, ""},
		{"Publisher bind rfc2136 key=/k", "server=ADDR", ""},
		{"Publisher p exec hook", "the whole path", ""},
		{"Zone example.com", "a pattern and a publisher", ""},
		{"Zone exa_mple..com hand", "label", "write a domain, *.DOMAIN or *"},
		{"Zone mail*.example hand", "may not hold", "write a domain, *.DOMAIN or *"},
		{"Zone example.com nobody", `no publisher "nobody"`, "define it"},
		{"Zone example.com hand extra", "stands behind", ""},
		{"Zone * cname=dkim.example", "cname= and publisher= are needed", "ring=k1,k2,k3"},
		{"Zone * cname=dkim.example ring=k1 publisher=hand", "at least two", ""},
		{"Zone * cname=dkim.example ring=k1,k1 publisher=hand", "twice", ""},
		{"Zone * cname=dkim.example zone=x publisher=hand", "are known", ""},
		{"Group shop", "at least one domain", ""},
		{"Group shop a..b", "label", ""},
		{"Hosts mx2.example.com", "local:PATH", ""},
		{"Hosts unix:status", "path of a socket", ""},
		{"Hosts http://", "no URL", ""},
		{"Publisher hand manual", "defined before", "another name"},
		{"Zone other.example hand\nZone other.example hand", "the first one counts", ""},
		{"Zone * hand\nZone other.example hand", "no effect", "before that line"},
		{"Group a x.example\nGroup b x.example", "in the group a before", ""},
		{"Group a x.example X.example.", "in the group a before", "once"},
		{"Group a x.example\nGroup a y.example x.example", "in the group a before", ""},
		{"Interval 1d\nInterval 2d", "the last one counts", ""},
		{"Include /nowhere/rotate", "cannot be read", ""},
	} {
		_, problems := load(t, "Publisher hand manual\n"+test.line+"\n")
		if len(problems) != 1 || !strings.Contains(problems[0].Text, test.problem) ||
			!strings.Contains(problems[0].Hint, test.hint) || problems[0].Line < 2 || !strings.HasSuffix(problems[0].File, "rotate.conf") {
			t.Errorf("%s: %+v; want %q, %q", test.line, problems, test.problem, test.hint)
		}
	}
}

func TestFormatSelector(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", -7200))
	if got := FormatSelector("a%Y-%y-%m-%d-%j-%H-%M", at); got != "a2026-26-02-03-034-06-05" { // strftime(3) of that instant in UTC
		t.Error(got)
	}
}

// Every option is told of, has an example that is right, and stands in the manual page
// that is committed.
func TestDocuments(t *testing.T) {
	for _, o := range rows() {
		examples := o.Examples
		if len(examples) == 0 {
			examples = []string{o.Default}
		}
		for _, example := range examples {
			if err := o.read(new(Settings), config.Value{Text: example}); err != nil || o.Doc == "" {
				t.Errorf("%s: %q: %v", o.Name, example, err)
			}
		}
	}
	committed, err := os.ReadFile("../../../packaging/man/rotate.conf.5")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteMan(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != string(committed) {
		t.Error("packaging/man/rotate.conf.5 is out of date: run go generate ./internal/rotate/settings")
	}
}

func FuzzLoad(f *testing.F) {
	for _, o := range rows() {
		for _, example := range o.Examples {
			f.Add(o.Name + " " + example)
		}
	}
	path := filepath.Join(f.TempDir(), "rotate.conf")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, problems := Load(path)
		if problems.HasErrors() {
			return
		}
		for _, z := range s.Zones {
			if _, ok := s.Publisher(z.Publisher); !ok || z.CNAME != "" && len(z.Ring) < 2 {
				t.Errorf("%+v", z)
			}
		}
	})
}

func TestRecordName(t *testing.T) {
	if got := (Zone{}).RecordName("M1", "Example.com."); got != "m1._domainkey.example.com" {
		t.Error(got)
	}
	if got := (Zone{CNAME: "dkim.host.example"}).RecordName("k1",
		"münchen.example"); got != "k1._domainkey.xn--mnchen-3ya.example.dkim.host.example" {
		t.Error(got)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"open": 0o644, "closed": 0o400, "program": 0o755, "text": 0o644} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	s, problems := load(t, strings.ReplaceAll(`Publisher a rfc2136 server=::1 key=DIR/open
Publisher b rfc2136 server=::1 key=DIR/closed
Publisher c powerdns url=http://[::1] key-file=DIR/absent
Publisher d exec DIR/program
Publisher e exec DIR/text
`, "DIR", dir))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	var told []string
	for _, p := range s.CheckFiles() {
		if p.Line > 0 { // the user depends on the machine
			told = append(told, strings.ReplaceAll(p.Text, dir, "DIR"))
		}
	}
	want := []string{"DIR/open can be read or written by everybody", "DIR/absent does not exist", `"DIR/text" is no program`}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("%q", told)
	}
}
