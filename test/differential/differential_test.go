package differential

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dojang/internal/testutil"
	"dojang/milter"
	"dojang/test/faults/rig"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const standardSpecimens = 1000

// fromEnvironment is a number in a variable, or the standard.
func fromEnvironment(t *testing.T, name string, standard int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestVerdictsAgree: DOJANG_DIFFERENTIAL sets how many specimens, and
// DOJANG_SEED which. opendkim takes 27 ms for each with TestPublicKeys.
func TestVerdictsAgree(t *testing.T) {
	peer := testutil.Need(t, "opendkim")
	count := fromEnvironment(t, "DOJANG_DIFFERENTIAL", standardSpecimens)
	seed := uint64(fromEnvironment(t, "DOJANG_SEED", 20261123))
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	edKey := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	specimens := make([]*specimen, count)
	for i := range specimens {
		s := newSpecimen(t, r, i, edKey)
		s.mutate(r)
		specimens[i] = s
	}
	theirs, ours := startPeer(t, peer), startOurs(t)
	exceptions, passed, unexplained := map[string]int{}, 0, 0
	for first := 0; first < count; first += batch {
		list := specimens[first:min(first+batch, count)]
		publish(t, list, theirs, ours)
		for i, v := range askAll(t, list, theirs, ours) {
			s := list[i]
			if v.ours == "pass" {
				passed++
			}
			if v.theirs == v.ours {
				continue
			}
			if class := exception(s, v.theirs, v.ours); class != "" {
				exceptions[class]++
				continue
			}
			if unexplained++; unexplained <= 20 {
				t.Errorf("specimen %d: opendkim says %q, ours %q\ndone: %s\nsignature:%q\nrecord: %q\nbody: %q",
					s.number, v.theirs, v.ours, strings.Join(s.done, "; "), s.signature, s.record, s.body)
			}
		}
	}
	for _, class := range slices.Sorted(maps.Keys(exceptions)) {
		t.Logf("%5d  %s", exceptions[class], class)
	}
	t.Logf("%d specimens, %d of them pass, %d unexplained differences", count, passed, unexplained)
	if passed*10 < count || passed*10 > 9*count {
		t.Errorf("%d of %d pass: this compares little", passed, count)
	}
	ours.Stop()
}

// batch is how many records are published at a time: opendkim reads all of them
// for each message.
const batch = 100

func publish(t *testing.T, specimens []*specimen, rigs ...*rig.Rig) {
	t.Helper()
	var records strings.Builder
	for _, s := range specimens {
		fmt.Fprintf(&records, "%s._domainkey.%s %s\n", s.selector, rig.Domain, s.record)
	}
	for _, r := range rigs {
		r.Write("keys.new", records.String())
		if err := os.Rename(r.Path("keys.new"), r.Path("keys")); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *specimen) message() milter.Message {
	m := milter.Message{Raw: s.raw(), Macros: map[string]string{"i": fmt.Sprintf("S%d", s.number), "j": "mx.test"}}
	m.Addr = milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 25}
	m.From, m.Rcpts = "joe@"+rig.Domain, []string{"ann@example.org"}
	return m
}

func startOurs(t *testing.T) *rig.Rig {
	t.Helper()
	r := rig.New(t, "StdoutLog no\nOn-DNSError accept")
	r.Start()
	return r
}

func startPeer(t *testing.T, program string) *rig.Rig {
	t.Helper()
	r := rig.New(t, "")
	r.Program = program
	r.Write("opendkim.conf", strings.ReplaceAll("Mode v\nSocket local:DIR/s\nBackground no\nSyslog no\nAuthservID "+
		"filter.test\nTestPublicKeys DIR/keys\nUMask 022\n", "DIR", r.Dir))
	r.Start()
	return r
}

// verdicts are two filters' on one specimen.
type verdicts struct{ theirs, ours string }

// askAll asks both filters about each specimen, over several connections: one
// of them sleeps a little for each message.
func askAll(t *testing.T, list []*specimen, theirs, ours *rig.Rig) []verdicts {
	t.Helper()
	const connections = 20
	answers := make([]verdicts, len(list))
	var wait sync.WaitGroup
	for c := range connections {
		them, us := theirs.Dial(), ours.Dial()
		wait.Go(func() {
			defer them.Close()
			defer us.Close()
			for i := c; i < len(list); i += connections {
				m := list[i].message()
				var err error
				if answers[i].theirs, err = ask(them, &m); err != nil {
					answers[i].theirs = "dead"
					t.Errorf("specimen %d: opendkim broke the connection: %v", list[i].number, err)
					return
				}
				if answers[i].ours, err = ask(us, &m); err != nil {
					t.Errorf("specimen %d: our filter broke the connection: %v\n%q", list[i].number, err, m.Raw)
					return
				}
			}
		})
	}
	wait.Wait()
	return answers
}

var resultWord = regexp.MustCompile(`\bdkim=([a-z]+)`)

// ask is the word behind dkim=, "none" without a result field, or the reply when
// it is not accept.
func ask(c *milter.Client, m *milter.Message) (string, error) {
	o, err := c.Send(context.Background(), *m)
	if err != nil {
		return "", err
	}
	if o.Final.Kind != milter.ReplyAccept {
		return o.Final.String(), nil
	}
	for _, e := range o.Edits {
		if e.Name != "Authentication-Results" {
			continue
		}
		if found := resultWord.FindStringSubmatch(e.Value); found != nil {
			return found[1], nil
		}
	}
	return "none", nil
}
