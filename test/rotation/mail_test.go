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
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/dkim"
	"dojang/internal/keyrecord"
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
	rows    []mailRow
	said    string             // by runs
	other   *filtertest.Filter // on another host, with tables of its own

	mu     sync.Mutex
	sent   int
	failed []string
	down   bool            // the other host
	names  map[string]bool // records that signed

	rounds atomic.Int64 // of askAbsent
}

// mailRow is a row of the KeyTable, and of the SigningTable.
type mailRow struct{ name, domain, selector, path string }

// rig says what a mail is made of.
type rig struct {
	kind    string // of the name server
	domains []string
	rotate  string // lines of rotate.conf
	// tables fills tables with the rows and returns the options that name them; nil is files.
	tables func(m *mail) string
}

const minimum = 3 // seconds

var three = []string{"example.com", "third.example", "host.example"}

func newMail(t *testing.T, r rig) *mail {
	t.Helper()
	testutil.Need(t, "unbound")
	var zones []zonetest.Zone
	m := &mail{names: map[string]bool{}}
	for _, d := range r.domains {
		zones = append(zones, zonetest.Zone{Name: keyrecord.ASCII(d), Signed: true, Minimum: minimum})
	}
	m.life = &life{site: newSiteOf(t, r.kind,
		"Publisher p rfc2136 server=SERVER key=DIR/dns/tsig.key\nZone * p\nState DIR/state\n"+r.rotate, zones...)}
	for i, z := range zones {
		selector := fmt.Sprintf("old%d", i)
		path, _ := m.key(z.Name, selector)
		m.rows = append(m.rows, mailRow{fmt.Sprintf("k%d", i), r.domains[i], selector, path})
	}
	if r.tables == nil {
		r.tables = inFiles
	}
	conf := m.write("opendkim.conf", r.tables(m)+"Socket local:"+m.dir+"/s\nMetricsSocket local:"+m.dir+
		"/metrics\nStatusSocket local:"+m.dir+"/status\nStatusFile "+m.dir+
		"/status.kept\nMode s\n", 0o644)
	m.publish(0)
	text, _ := os.ReadFile(conf)
	m.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), m.dir, string(text), nil)
	m.startUnbound(zones)
	if out, code := m.run("keys", "adopt", "--all"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	return m
}

// inFiles writes tables as files.
func inFiles(m *mail) string {
	keys, authors := "", ""
	for _, r := range m.rows {
		keys += fmt.Sprintf("%s %s:%s:%s\n", r.name, r.domain, r.selector, r.path)
		authors += fmt.Sprintf("*@%s %s\n", r.domain, r.name)
	}
	m.write("KeyTable", keys, 0o644)
	m.write("SigningTable", authors, 0o644)
	return "KeyTable " + m.dir + "/KeyTable\nSigningTable refile:" + m.dir + "/SigningTable\n"
}

func (m *mail) startUnbound(zones []zonetest.Zone) {
	t := m.t
	t.Helper()
	m.unbound = proctest.FreeAddress(t)
	_, port, _ := net.SplitHostPort(m.unbound)
	var conf strings.Builder
	fmt.Fprintf(&conf, "server:\n interface: 127.0.0.1\n port: %s\n directory: %q\n chroot: \"\"\n username: \"\"\n pidfile: "+
		"\"\"\n use-syslog: no\n do-ip6: no\n do-not-query-localhost: no\n aggressive-nsec: yes\n", port, m.dir)
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
	if err := p.Await(20*time.Second, func() bool {
		_, err := m.lookup(t.Context(), m.rows[0].selector+"._domainkey."+zones[0].Name)
		return err == nil
	}); err != nil {
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
func (m *mail) send(by *filtertest.Filter, domain string, later time.Duration, all *sync.WaitGroup) {
	text := "From: a@" + keyrecord.ASCII(domain) + "\r\nSubject: s\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n"
	msg := filtertest.Outside(text)
	filtertest.FromHere(&msg)
	out, err := by.Dial(m.t, milter.ClientOptions{}).Send(m.t.Context(), msg)
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
	results, err := dkim.Verify(context.Background(), message, dkim.VerifyOptions{Now: time.Now()},
		func(ctx context.Context, name string) ([]string, error) {
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
		for _, r := range m.rows {
			for _, s := range []string{fmt.Sprintf("x%x", rand.Uint32()), today, today + string(rune('b'+rand.IntN(24)))} {
				_, _ = m.lookup(ctx, s+"._domainkey."+keyrecord.ASCII(r.domain))
			}
		}
		m.rounds.Add(1)
		time.Sleep(50 * time.Millisecond)
	}
}

// flowing lets mail flow while f runs. Every message must verify.
func (m *mail) flowing(f func()) {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { m.askAbsent(ctx) })
	all.Go(func() {
		for ctx.Err() == nil {
			for _, r := range m.rows {
				m.send(m.filter, r.domain, 4*time.Second, &all)
				if m.other != nil && m.running() {
					m.send(m.other, r.domain, 4*time.Second, &all)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	f()
	stop()
	all.Wait()
	m.t.Logf("%d messages verified, with %d keys", m.sent, m.count())
	for i, f := range m.failed {
		if i < 5 {
			m.t.Error(f)
		}
	}
	if len(m.failed) > 0 {
		m.t.Logf("%d failures\n%s", len(m.failed), m.said)
	}
}

// flows lets mail flow while runs of the timer change keys, until each domain has signed
// with so many, or the time is over.
func (m *mail) flows(keys int, atMost time.Duration) {
	m.t.Helper()
	m.flowing(func() {
		for end := time.Now().Add(atMost); time.Now().Before(end) && m.count() < len(m.rows)*keys; time.Sleep(200 * time.Millisecond) {
			m.turn()
		}
	})
	if m.count() < len(m.rows)*keys {
		m.t.Errorf("keys change too seldom:\n%s\n%+v", m.said, m.keys())
	}
}

// turn runs as the timer does, and returns the exit status.
func (m *mail) turn() int {
	said, code := m.run("rotate", "run")
	m.said += said
	return code
}

// The waits of a life that is watched, and how often keys change then.
const (
	pace    = "KeepOld 5s\nKeepRevoked 2s\nMargin 1s\nProofs 2\nProofInterval 1s\n"
	quickly = "Interval 2s\n" + pace
)

// Mail flows while keys change, and every message verifies, at once and just before its
// record may go.
func TestMailWhileKeysChange(t *testing.T) {
	t.Parallel()
	rotations, domains := 2, three
	if testutil.Long() {
		rotations, domains = 3, nil
		for i := range 20 {
			domains = append(domains, fmt.Sprintf("d%d.example", i))
		}
	}
	m := newMail(t, rig{kind: "bind", domains: domains, rotate: quickly})
	m.flows(rotations+1, time.Duration(rotations)*time.Minute)
}

func (m *mail) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.names)
}

// Without the wait mail fails: else the test above proves nothing.
func TestMailWithoutWaits(t *testing.T) {
	m := newMail(t, rig{kind: "bind", domains: three, rotate: "Interval 180d\n"})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { m.askAbsent(ctx) })
	proctest.Until(t, time.Minute, "strangers", func() bool { return m.rounds.Load() > 0 })
	if out, code := m.run("rotate", "emergency", "--all", "--yes", "--keep-old", "1h"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	for _, r := range m.rows {
		m.send(m.filter, r.domain, 0, &all)
	}
	stop()
	all.Wait()
	if len(m.failed) == 0 {
		t.Error("mail that is signed without the wait verifies all the same")
	}
	t.Logf("%q", m.failed)
}
