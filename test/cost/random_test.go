package cost

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/config"
	"dojang/internal/testutil"
)

// base are the configurations that random ones begin with.
const base = "Mode sv\nTestPublicKeys DIR/keys\nKeyTable file:DIR/keytable\nSigningTable file:DIR/signing\n"

// notDrawn reports whether an option would end the message's way, needs what is not there, or
// has nothing to do with what a message costs.
func notDrawn(o *config.Option) bool {
	if o.Status != config.Active || o.NeedsRestart || o.Topic == config.Scripting || strings.HasPrefix(o.Name, "On-") ||
		strings.Contains(base, "\n"+o.Name+" ") {
		return true
	}
	switch o.Name {
	case "Mode", "Include", "TestDNSData", "ExemptDomains", "DomainKeysCompat", "PeerList", "RequireSafeKeys", "SendReports":
		return true
	}
	return false
}

// drawn are lines of a configuration that may stand together, drawn from the documented
// options: booleans either way, words that are allowed, and the values that their
// documentation and the configurations above show.
func drawn(t *testing.T, random *rand.Rand) string {
	t.Helper()
	text := base
	lines := strings.Split(strings.TrimSpace(configurations[len(configurations)-1].text), "\n")
	for _, o := range config.Options() {
		if notDrawn(&o) {
			continue
		}
		switch {
		case o.Type == config.Boolean:
			lines = append(lines, o.Name+" "+[]string{"yes", "no"}[random.IntN(2)])
		case len(o.Allowed) > 0:
			lines = append(lines, o.Name+" "+o.Allowed[random.IntN(len(o.Allowed))])
		case len(o.Examples) > 0:
			lines = append(lines, o.Name+" "+o.Examples[random.IntN(len(o.Examples))])
		}
	}
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	set := map[string]bool{}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		if set[name] || strings.Contains(base, name+" ") || random.IntN(2) == 0 {
			continue
		}
		if _, err := build(t, text+line+"\n"); err == nil {
			set[name] = true
			text += line + "\n"
		}
	}
	return text
}

// ways are the configurations that are measured: those above, and some that are drawn.
// SEED draws others.
func ways(t *testing.T) []way {
	t.Helper()
	seed, n := uint64(1), 1
	if testutil.Long() {
		n = 12
	}
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	all := configurations[:len(configurations):len(configurations)]
	for i := range uint64(n) {
		text := drawn(t, rand.New(rand.NewPCG(seed, i)))
		t.Logf("drawn %d:\n%s", i, text)
		all = append(all, way{fmt.Sprintf("drawn %d", i), text})
	}
	return all
}

// TestDrawnConfigurationsWork: what is drawn has options in it, and does not keep mail from
// being looked at.
func TestDrawnConfigurationsWork(t *testing.T) {
	fields, body := split(signed(t))
	all := ways(t)
	for _, w := range all[len(configurations):] {
		if n := strings.Count(w.text, "\n"); n < 20 {
			t.Errorf("%s has %d lines", w.name, n)
		}
		run := newPlace(t, w.text).run(t, fields, body, false)
		if len(run.Verdict.Results) != 1 || run.Verdict.Results[0].Status != dkim.StatusPass {
			t.Errorf("%s: %+v\n%s", w.name, run.Verdict.Results, w.text)
		}
	}
}
