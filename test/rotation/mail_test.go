package rotation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/zonetest"
	"dojang/milter"
)

// mail is a site of signed zones whose minimum is seconds, and a caching unbound that
// validates and makes absences of NSEC records, by which receivers look keys up.
type mail struct {
	*life
	unbound string
	domains []string

	mu     sync.Mutex
	sent   int
	failed []string
	names  map[string]bool // records that signed
}

const minimum = 3 // seconds

func newMail(t *testing.T, rotate string) *mail {
	t.Helper()
	testutil.Need(t, "unbound")
	zones := []zonetest.Zone{{Name: "example.com", Signed: true, Minimum: minimum}, {Name: "host.example", Signed: true, Minimum: minimum}, {Name: "third.example", Signed: true, Minimum: minimum}}
	s := newSiteOf(t, "bind", "Publisher bind rfc2136 server=SERVER key=DIR/dns/tsig.key\nZone * bind\nState DIR/state\n"+rotate, zones...)
	m := &mail{life: &life{site: s}, domains: []string{"example.com", "third.example", "host.example"}, names: map[string]bool{}}
	keys, authors := "", ""
	for i, d := range m.domains {
		path, _ := s.key(d, fmt.Sprintf("old%d", i))
		keys += fmt.Sprintf("k%d %s:old%d:%s\n", i, d, i, path)
		authors += fmt.Sprintf("*@%s k%d\n", d, i)
	}
	s.write("KeyTable", keys, 0o644)
	s.write("SigningTable", authors, 0o644)
	conf := s.write("opendkim.conf", "KeyTable "+s.dir+"/KeyTable\nSigningTable refile:"+s.dir+"/SigningTable\nSocket local:"+s.dir+"/s\nMetricsSocket local:"+s.dir+"/metrics\nStatusSocket local:"+s.dir+"/status\nStatusFile "+s.dir+"/status.kept\nMode s\n", 0o644)
	s.publish(0)
	text, _ := os.ReadFile(conf)
	m.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), s.dir, string(text), nil)
	m.startUnbound(zones)
	if out, code := m.run("keys", "adopt", "--all"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	return m
}

func (m *mail) startUnbound(zones []zonetest.Zone) {
	t := m.t
	t.Helper()
	m.unbound = proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(m.unbound)
	var conf strings.Builder
	fmt.Fprintf(&conf, "server:\n interface: 127.0.0.1\n port: %s\n directory: %q\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n do-ip6: no\n do-not-query-localhost: no\n aggressive-nsec: yes\n", port, m.dir)
	stubs := ""
	for _, z := range zones {
		r, err := m.Server.Ask(z.Name, dns.TypeDNSKEY)
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range r.Answer {
			if key, ok := rr.(*dns.DNSKEY); ok && key.Flags&dns.SEP != 0 {
				fmt.Fprintf(&conf, " trust-anchor: %q\n", strings.ReplaceAll(key.String(), "\t", " "))
			}
		}
		stubs += fmt.Sprintf("stub-zone:\n name: %q\n stub-addr: %s\n", z.Name, strings.Replace(m.Server.Addr, ":", "@", 1))
	}
	conf.WriteString("remote-control:\n control-enable: no\n" + stubs)
	p := proctest.Start(t, exec.Command("unbound", "-d", "-c", m.write("unbound.conf", conf.String(), 0o644)))
	if err := p.Await(20*time.Second, func() bool { _, err := m.lookup(t.Context(), "old0._domainkey.example.com"); return err == nil }); err != nil {
		t.Fatal(err)
	}
}

// lookup asks unbound, whose answers are kept for as long as they say.
func (m *mail) lookup(ctx context.Context, name string) (texts []string, err error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	r, _, err := c.ExchangeContext(ctx, q, m.unbound)
	if err != nil {
		return nil, err
	}
	for _, rr := range r.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	if len(texts) == 0 {
		return nil, errors.New(dns.RcodeToString[r.Rcode])
	}
	return texts, nil
}

// send sends a message through the filter and verifies it at once, and again after later,
// as far as that is not 0.
func (m *mail) send(domain string, later time.Duration, all *sync.WaitGroup) {
	text := "From: a@" + domain + "\r\nSubject: s\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n"
	msg := filtertest.Outside(text)
	filtertest.FromHere(&msg)
	out, err := m.filter.Dial(m.t, milter.ClientOptions{}).Send(m.t.Context(), msg)
	if err != nil {
		m.fail("%s: %s", domain, err)
		return
	}
	signed := milter.Apply([]byte(text), out.Edits)
	m.verify(signed, "at once")
	if later > 0 {
		all.Go(func() {
			time.Sleep(later)
			m.verify(signed, "after "+later.String())
		})
	}
}

func (m *mail) fail(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = append(m.failed, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (m *mail) verify(message []byte, when string) {
	asked := ""
	results, err := dkim.Verify(context.Background(), message, dkim.VerifyOptions{Now: time.Now()}, func(ctx context.Context, name string) ([]string, error) {
		asked = name
		return m.lookup(ctx, name)
	})
	if err != nil || len(results) != 1 || results[0].Status != dkim.StatusPass {
		m.fail("%s %s: %v %+v", asked, when, err, results)
		return
	}
	m.mu.Lock()
	m.sent++
	m.names[strings.TrimSuffix(asked, ".")] = true
	m.mu.Unlock()
}

// askAbsent asks for selectors that are not there, as strangers do: by chance, and those
// that will come.
func (m *mail) askAbsent(ctx context.Context) {
	today := time.Now().UTC().Format("20060102")
	for ctx.Err() == nil {
		for _, d := range m.domains {
			for _, s := range []string{fmt.Sprintf("x%x", rand.Uint32()), today, today + string(rune('b'+rand.IntN(24)))} {
				_, _ = m.lookup(ctx, s+"._domainkey."+d)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Mail flows while keys change, and every message verifies, at once and just before its
// record may go.
func TestMailWhileKeysChange(t *testing.T) {
	rotations := 2
	if testutil.Long() {
		rotations = 17
	}
	m := newMail(t, "Interval 2s\nKeepOld 5s\nKeepRevoked 2s\nMargin 1s\nProofs 2\nProofInterval 1s\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { m.askAbsent(ctx) })
	all.Go(func() {
		for ctx.Err() == nil {
			for _, d := range m.domains {
				m.send(d, 4*time.Second, &all)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	out := ""
	for end := time.Now().Add(time.Duration(rotations) * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		said, _ := m.run("rotate", "run")
		out += said
		if m.count() >= len(m.domains)*(rotations+1) {
			break
		}
	}
	stop()
	all.Wait()
	t.Logf("%d messages verified, with %d keys", m.sent, m.count())
	if m.count() < len(m.domains)*(rotations+1) {
		t.Errorf("keys change too seldom:\n%s", out)
	}
	for i, f := range m.failed {
		if i < 5 {
			t.Error(f)
		}
	}
	if len(m.failed) > 0 {
		t.Logf("%d failures\n%s", len(m.failed), out)
	}
}

func (m *mail) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.names)
}

// Without the wait mail fails: else the test above proves nothing.
func TestMailWithoutWaits(t *testing.T) {
	m := newMail(t, "Interval 180d\n")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { m.askAbsent(ctx) })
	time.Sleep(time.Second)
	if out, code := m.run("rotate", "emergency", "--all", "--yes", "--keep-old", "1h"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	for _, d := range m.domains {
		m.send(d, 0, &all)
	}
	stop()
	all.Wait()
	if len(m.failed) == 0 {
		t.Error("mail that is signed without the wait verifies all the same")
	}
	t.Logf("%q", m.failed)
}
