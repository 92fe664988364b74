package doctor

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/config"
	"dojang/internal/keytable"
	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/milter"
)

// want asks that exactly one finding has the status and contains the words.
func want(t *testing.T, r Report, s Status, words string) {
	t.Helper()
	found := 0
	for _, f := range r {
		if f.Status == s && strings.Contains(f.Text+" -> "+f.Remedy+f.Advice, words) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d findings of status %s contain %q in:\n%s", found, s, words, show(r))
	}
}

func show(r Report) string {
	var b strings.Builder
	for _, f := range r {
		b.WriteString(string(f.Status) + " " + f.Check + ": " + f.Text + " -> " + f.Remedy + "\n")
	}
	return b.String()
}

func TestKeyFaults(t *testing.T) {
	dir, err := testutil.TempDir("/var/lib", "doctor-test-")
	if err != nil {
		t.Skipf("needs a folder that is not below /tmp: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	me := person{Name: "me", UID: os.Getuid(), Groups: []int{os.Getgid()}}
	other := person{Name: "opendkim", UID: 64999, Groups: []int{64999}}
	key := filepath.Join(dir, "mail.private")
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(path string, p person) Report {
		var r Report
		r.keyFile(&host{Config: config.New(), Filter: p}, keytable.Single("example.com", "mail", path), path, nil)
		return r
	}
	chmod := func(path string, mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	want(t, look(key, me), Good, "readable by user me and by nobody else")
	want(t, look(filepath.Join(dir, "gone"), me), Bad, "no such file or directory")
	want(t, look(key, other), Bad, "user opendkim may not search the folder "+dir)
	chmod(dir, 0o755)
	want(t, look(key, other), Bad, "chown opendkim "+key)
	chmod(key, 0o644)
	want(t, look(key, me), Bad, "can be read or written by other users")
}

// quiet is a filter that nothing is sent to.
type quiet struct{ milter.Session }

func (quiet) Negotiated(milter.Negotiation) {}
func (quiet) Abort()                        {}
func (quiet) Close()                        {}

func TestSocketFaults(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	s := config.Socket{Network: "unix", Address: path}
	look := func(p *person) Report {
		var r Report
		r.socket(&host{Config: config.New(), File: "/etc/opendkim.conf", MTA: p}, s, nil)
		return r
	}
	want(t, look(nil), Bad, "no such file or directory")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := milter.NewServer(func(*milter.Conn) milter.Session { return quiet{} }, milter.Options{})
	go server.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { server.Close() })
	want(t, look(nil), Good, "the filter answers on "+path)
	stranger := &person{Name: "postfix", UID: 64999, Groups: []int{64999}}
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			break
		}
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, look(stranger), Bad, "user postfix may not write to the socket")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, look(stranger), Bad, "user postfix may not search the folder "+dir)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	want(t, look(nil), Bad, "connection refused")
}

// fakeDNS is a name server that answers, refuses, or is slow.
type fakeDNS struct {
	rcode   int
	err     error
	servers []string
	answer  []dns.RR
}

func (f fakeDNS) QueryServer(context.Context, string, resolver.Question) (*dns.Msg, error) {
	return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: f.rcode}, Answer: f.answer}, f.err
}
func (f fakeDNS) Servers() []string { return f.servers }
func (f fakeDNS) Validating() bool  { return false }

func TestDNSFaults(t *testing.T) {
	look := func(f fakeDNS) Report {
		var r Report
		r.nameServers(t.Context(), &host{Config: config.New()}, f)
		return r
	}
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}}), Good, "192.0.2.1 answers")
	want(t, look(fakeDNS{}), Bad, "there is no name server")
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}, err: errors.New("i/o timeout")}), Bad, "does not answer: i/o timeout")
	want(t, look(fakeDNS{servers: []string{"192.0.2.1"}, rcode: dns.RcodeRefused}), Bad, "refuses to answer")
}

// TestWrongClock: a clock is wrong that stands outside the time of the root's signatures.
func TestWrongClock(t *testing.T) {
	look := func(from, to time.Duration) Report {
		now := time.Now()
		seconds := func(d time.Duration) uint32 { return uint32(now.Add(d).Unix()) }
		f := fakeDNS{servers: []string{"192.0.2.1", "192.0.2.2"}, answer: []dns.RR{&dns.RRSIG{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeRRSIG}, SignerName: ".", Inception: seconds(from), Expiration: seconds(to)}}}
		var r Report
		r.nameServers(t.Context(), &host{Config: config.New()}, f)
		return r
	}
	const day = 24 * time.Hour
	if r := look(-day, 12*day); r.Worst() != Good {
		t.Errorf("a clock that is right: %s", show(r))
	}
	for _, r := range []Report{look(-15*day, -2*day), look(day, 14*day)} {
		want(t, r, Bad, "the root zone's signatures are of")
		if n := r.Count(Bad); n != 1 {
			t.Errorf("told %d times", n)
		}
	}
}

// TestTimeOver: what there is no time for is no finding.
func TestTimeOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "opendkim.conf")
	if err := os.WriteFile(path, []byte("Socket inet:1@127.0.0.1\nNameservers 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := Examine(ctx, Options{Source: config.Source{File: path}})
	if len(r) != 1 || r[0].Code != "time-over" || r[0].Status != Warning ||
		!strings.Contains(r[0].Text, "left are what left unsigned, the configuration,") {
		t.Error(show(r))
	}
}

// The root's keys, one of them missing each.
func TestAnchorFaults(t *testing.T) {
	look := func(text string) Report {
		path := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := config.New()
		if problems := c.Set("TrustAnchorFile", path, config.CommandLine); problems.HasErrors() {
			t.Fatal(problems)
		}
		var r Report
		r.anchors(&host{Config: c, File: "/etc/opendkim.conf"})
		return r
	}
	// Debian's dns-root-data, 2024071801.
	const key2017 = ". 172800 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
	const key2024 = ". IN DNSKEY 257 3 8 " +
		"AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmO" +
		"ElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/" +
		"dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXk" +
		"PIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc= ; keytag 38696\n"
	if r := look(key2017 + key2024); len(r) > 0 {
		t.Errorf("both keys: %s", show(r))
	}
	if r := look("example.com. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"); len(r) > 0 {
		t.Errorf("another zone's key: %s", show(r))
	}
	want(t, look(key2017), Bad, "IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16' >> ")
	want(t, look(key2024), Bad, "does not know the root's key 20326")
	if rr, _ := dns.NewRR(key2024); rr.(*dns.DNSKEY).ToDS(dns.SHA256).Digest != strings.ToLower(strings.Fields(rootKeys[1])[6]) {
		t.Error("the digest of the root's key 38696 is another")
	}
}

// Sendmail's way to the filter, as sendmail(8) writes it into sendmail.cf.
func TestSendmailFaults(t *testing.T) {
	c := config.New()
	if problems := c.Set("Socket", "inet:8891@localhost", config.CommandLine); problems.HasErrors() {
		t.Fatal(problems)
	}
	for _, test := range []struct {
		text   string
		status Status
		words  string
	}{
		{"O InputMailFilters=opendkim\nXopendkim, S=inet:8891@localhost, F=T, T=S:30s;R:30s\n", Good, "hands mail to the filter"},
		{"O InputMailFilters=greylist\nXopendkim, S=inet:8891@localhost\n", Bad, "InputMailFilters does not name it"},
		{"O InputMailFilters=opendkim\nXopendkim, S=inet:8892@localhost\n", Bad, "names no filter"},
		{"O Other=1\n", Bad, "names no filter"},
	} {
		path := filepath.Join(t.TempDir(), "sendmail.cf")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var r Report
		if !r.sendmail(t.Context(), &host{Config: c}, path) {
			t.Error("not read")
		}
		want(t, r, test.status, test.words)
	}
}

// TestWhereAPathIsCorrected: in the row that names the key, or at KeyFile for one of no table.
func TestWhereAPathIsCorrected(t *testing.T) {
	h := &host{File: "/etc/opendkim.conf"}
	single := keytable.Single("example.com", "s", "/nowhere/x.private")
	single.Place = "csl:example.com"
	row := keytable.Row{Name: "k", Row: single.Row, Place: "/etc/opendkim/KeyTable:3"}
	for want, row := range map[string]keytable.Row{"KeyFile in /etc/opendkim.conf": single, "/etc/opendkim/KeyTable:3": row} {
		if remedy, advice := h.makeKey(row, "/nowhere/x.private"); remedy != "" || !strings.HasSuffix(advice, "correct the path: "+want) {
			t.Errorf("%q %q, want %q", remedy, advice, want)
		}
	}
}
