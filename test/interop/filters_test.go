package interop

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"
)

// program is a filter with opendkim's command line: ours, or OpenDKIM itself.
type program struct {
	name string
	path string
	// oneAlgorithm: SignatureAlgorithm must name the key's.
	oneAlgorithm bool
}

func ours(t testing.TB) program {
	return program{name: "dojang", path: filtertest.Ours(t)}
}

func opendkim(t testing.TB) program {
	return program{name: "opendkim", path: testutil.Need(t, "opendkim"), oneAlgorithm: true}
}

// start runs a filter with a configuration and returns its socket.
func (p *place) start(t testing.TB, program program, options ...string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp(p.dir, program.name+"-")
	if err != nil {
		t.Fatal(err)
	}
	options = append(options, "TestPublicKeys "+p.publicKeys, "AuthservID verifier.example")
	return filtertest.Start(t, program.path, dir, strings.Join(options, "\n"), nil).Socket
}

// sign has a filter sign all jobs, with more options, and returns the messages
// as an MTA would hand them on.
func (p *place) sign(t testing.TB, program program, all []job, options ...string) [][]byte {
	t.Helper()
	var table, signers strings.Builder
	for _, k := range p.keys {
		fmt.Fprintf(&table, "%s %s:%s:%s\n", k.domain, k.domain, selector, k.path)
		fmt.Fprintf(&signers, "*@%s %s\n", k.domain, k.domain)
	}
	for _, k := range p.both() {
		fmt.Fprintf(&table, "both-%s %s:%s:%s\n", k.algorithm, bothDomain, k.algorithm, k.path)
		fmt.Fprintf(&signers, "*@%s both-%s\n", bothDomain, k.algorithm)
	}
	options = append(options, "Mode s", "KeyTable "+p.write(t, "KeyTable", []byte(table.String())),
		"SigningTable refile:"+p.write(t, "SigningTable", []byte(signers.String())))
	senders := map[string]*sender{}
	var messages [][]byte
	for _, j := range all {
		group := j.canonicalization
		more := append(options[:len(options):len(options)], "Canonicalization "+j.canonicalization)
		if program.oneAlgorithm {
			group += j.key.algorithm
			more = append(more, "SignatureAlgorithm "+j.key.algorithm)
		}
		s := senders[group]
		if s == nil {
			s = newSender(t, p.start(t, program, more...), netip.MustParseAddr("127.0.0.1"))
			senders[group] = s
		}
		messages = append(messages, s.send(t, j.raw, j.oldProtocol))
	}
	return messages
}

// verify has a filter verify messages and returns, for each, the results of its
// signatures joined by commas.
func (p *place) verify(t testing.TB, program program, all []job, messages [][]byte) []string {
	t.Helper()
	s := newSender(t, p.start(t, program, "Mode v"), netip.MustParseAddr("192.0.2.1"))
	results := make([]string, len(messages))
	for i, m := range messages {
		results[i] = resultsOf(s.send(t, m, all[i].oldProtocol))
	}
	return results
}

var (
	resultsField = regexp.MustCompile(`(?is)(?:^|\r\n)Authentication-Results: verifier\.example;(.*?)\r\n[^ \t]`)
	oneResult    = regexp.MustCompile(`\bdkim=(\w+)(?: reason="([^"]*)")?`)
)

func resultsOf(message []byte) string {
	m := resultsField.FindSubmatch(message)
	if m == nil {
		return "no Authentication-Results"
	}
	var results []string
	for _, r := range oneResult.FindAllStringSubmatch(string(m[1]), -1) {
		results = append(results, strings.TrimSpace(r[1]+" "+r[2]))
	}
	return strings.Join(results, ",")
}

// sender keeps one connection per protocol to a filter.
type sender struct {
	socket  string
	from    netip.Addr
	clients map[bool]*milter.Client
}

func newSender(t testing.TB, socket string, from netip.Addr) *sender {
	s := &sender{socket, from, map[bool]*milter.Client{}}
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.Close()
		}
	})
	return s
}

// send hands a message over and returns it with the filter's edits.
func (s *sender) send(t testing.TB, raw []byte, oldProtocol bool) []byte {
	t.Helper()
	c := s.clients[oldProtocol]
	if c == nil {
		options := milter.ClientOptions{Timeout: time.Minute}
		if oldProtocol {
			options.Version = 2
		}
		var err error
		if c, err = milter.Dial("unix", s.socket, options); err != nil {
			t.Fatal(err)
		}
		s.clients[oldProtocol] = c
	}
	outcome, err := c.Send(context.Background(), milter.Message{
		Envelope: milter.Envelope{Host: "client.example", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: s.from, Port: 1025},
			From: "someone@example.org", Rcpts: []string{"a@example.org"}},
		Macros: map[string]string{"i": "JOB", "j": "mta.example"},
		Raw:    raw,
	})
	if err != nil {
		t.Fatal(err)
	}
	switch outcome.Final.Kind {
	case milter.ReplyAccept, milter.ReplyContinue:
	default:
		t.Fatalf("the filter answers %s to:\n%.300s", outcome.Final.String(), raw)
	}
	return milter.Apply(raw, outcome.Edits)
}
