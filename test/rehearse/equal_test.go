package rehearse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"dojang/internal/rehearse"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// load sends n messages over each of several connections at a time, some of which are
// given up half way, and returns how many came to their end.
func load(t testing.TB, socket string, mail map[string]milter.Message, connections, n int) int {
	t.Helper()
	var names []string
	for name := range mail {
		names = append(names, name)
	}
	slices.Sort(names)
	var running sync.WaitGroup
	var whole atomic.Int64
	for i := range connections {
		running.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			options := milter.ClientOptions{}
			if i%3 == 2 {
				options.Version = 2
			}
			c, err := milter.Dial("unix", socket, options)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Quit()
			var client milter.ConnAddr
			for k := range n {
				name := names[r.IntN(len(names))]
				for k > 0 && mail[name].Addr != client { // who stays the same as long as a connection
					name = names[r.IntN(len(names))]
				}
				client = mail[name].Addr
				m := numbered(mail[name], fmt.Sprintf("J%d-%d", i, k))
				if r.IntN(10) == 0 { // and some give up
					var o milter.Outcome
					if err := c.SendPart(&m, len(m.Raw)/2, &o); err != nil {
						t.Error(err)
						return
					}
					if err := c.Abort(); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				if _, err := c.Send(t.Context(), m); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				whole.Add(1)
			}
		})
	}
	running.Wait()
	return int(whole.Load())
}

func TestEqualConfigurations(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	for name, more := range map[string]string{
		"usual":               "",
		"expiring and copied": "SignatureTTL 3600\nDiagnostics yes\n",
		"strict":              "On-NoSignature reject\nOn-BadSignature reject\n",
		"removing":            "RemoveOldSignatures yes\n",
		"with SKIP":           "MaximumSignedBytes 20\n",
		"relaxed, named":      "Canonicalization relaxed/relaxed\nSoftwareHeader yes\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			configuration := s.configured(more)
			old := filtertest.Start(t, theirs, testutil.SecureDir(t), configuration, nil)
			r := s.rehearse(t, old.Socket, "", configuration)
			rounds := 1
			if testutil.Long() {
				rounds = 50
			}
			sent := 0
			for range rounds { // our half is not as fast as the mail, on a busy machine
				sent += load(t, r.socket, s.mail(t), 6, 40)
				proctest.Until(t, 10*patience, "our half", func() bool { return r.numbers(t).Messages >= sent })
			}
			reports, numbers := r.end(t)
			for i, report := range reports {
				for _, d := range report.Differences {
					if d.Documented == "" && i < 5 {
						t.Errorf("%s: %+v\n%q", report.Job, d, report.Log)
					}
				}
				if report.NotCompared != "" {
					t.Errorf("%s: %s", report.Job, report.NotCompared)
				}
			}
			if numbers.Messages != sent || numbers.Messages != numbers.Same+numbers.Documented ||
				numbers.Dropped != 0 || numbers.Restarts != 0 {
				t.Errorf("of %d messages: %+v", sent, numbers)
			}
			t.Logf("%+v", numbers)
		})
	}
}

// planted are differences in configuration, each of which shows in one message by one
// kind of difference.
var planted = []struct {
	name           string
	old, new       string // lines of the configurations
	message        string
	kind           rehearse.Kind
	oldHas, newHas string
}{
	{"a key is missing", "", "SigningTable refile:KEYS/SigningTable.fewer\n", "of a subdomain", rehearse.KindSigned, "d=example.com s=sel", ""},
	{"a key is new", "SigningTable refile:KEYS/SigningTable.fewer\n", "", "of a subdomain", rehearse.KindSigned, "", "d=example.com s=sel"},
	{"not internal", "", "InternalHosts 192.0.2.77\nExternalIgnoreList 127.0.0.1\n", "ours", rehearse.KindSigned, "d=example.com", ""},
	{"another selector", "", "KeyTable KEYS/KeyTable.second\n", "ours", rehearse.KindSigner, "s=sel", "s=second"},
	{"oversigning", "", "OversignHeaders From,Subject\n", "ours", rehearse.KindHeaders, "h=from:to:subject:date:from", ":subject"},
	{"omitted fields", "", "OmitHeaders Subject\n", "ours", rehearse.KindHeaders, "subject", "h="},
	{"canonicalization", "", "Canonicalization simple/simple\n", "ours", rehearse.KindTag, "c=relaxed/simple", "c=simple/simple"},
	{"a signature that ends", "", "SignatureTTL 600\n", "ours", rehearse.KindTag, "x=", "x=t+600"},
	{"copied fields", "", "Diagnostics yes\n", "ours", rehearse.KindTag, "z=", "z="},
	{"a length", "", "MaximumSignedBytes 10\n", "ours", rehearse.KindTag, "l=", "l=10"},
	{"the key is not published", "", "TestPublicKeys KEYS/none\n", "from outside, signed", rehearse.KindResults, "dkim=pass", "dkim="},
	{"the name of the host", "", "AuthservID other.example.org\n", "from outside, signed", rehearse.KindResults, "mx.example.org", "other.example.org"},
	{"no results", "AlwaysAddARHeader yes\n", "AlwaysAddARHeader no\n", "from outside, unsigned", rehearse.KindResults, "dkim=none", ""},
	{"the reply", "", "On-NoSignature reject\n", "from outside, unsigned", rehearse.KindReply, "accept", "550"},
	{"signatures removed", "RemoveOldSignatures yes\n", "RemoveOldSignatures no\n", "ours, signed", rehearse.KindRemoved, "dkim-signature", ""},
	{"a field added", "", "SoftwareHeader yes\n", "ours", rehearse.KindAdded, "", "DKIM-Filter"},
	{"quarantine", "CaptureUnknownErrors yes\nOn-BadSignature quarantine\n", "", "from outside, changed", rehearse.KindQuarantine, "opendkim", ""},
}

// rarely has results told of signed messages only.
const rarely = "AlwaysAddARHeader no\n"

func TestPlantedDifferences(t *testing.T) {
	theirs := testutil.Need(t, "opendkim")
	s := newStage(t)
	s.write(t, "none", "nothing.example.com v=DKIM1; p=\n")
	mail := s.mail(t)
	both := numbered(mail["from outside, signed"], "BOTH")
	filtertest.FromHere(&both)
	mail["ours, signed"] = both
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			old := filtertest.Start(t, theirs, testutil.SecureDir(t), s.configured(rarely+p.old), nil)
			r := s.rehearse(t, old.Socket, "", s.configured(rarely+p.new))
			c, err := milter.Dial("unix", r.socket, milter.ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Send(t.Context(), numbered(mail[p.message], "JOB")); err != nil {
				t.Fatal(err)
			}
			if err := c.Quit(); err != nil {
				t.Fatal(err)
			}
			reports, numbers := r.end(t)
			want := map[rehearse.Kind]int{p.kind: 1}
			if numbers.Messages != 1 || fmt.Sprint(numbers.Kinds) != fmt.Sprint(want) {
				t.Fatalf("%+v, want %v\n%+v\n%s", numbers, want, reports, r.Process)
			}
			all := reports[0].Differences
			d := all[slices.IndexFunc(all, func(d rehearse.Difference) bool { return d.Documented == "" })]
			if !contains(d.Old, p.oldHas) || !contains(d.New, p.newHas) || d.Cause == "" {
				t.Errorf("%+v", d)
			}
			t.Logf("%s | %s | %s", d.Old, d.New, d.Cause)
		})
	}
}
