package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dojang/internal/keyrecord"
	"dojang/internal/keytable"
	"dojang/internal/words"
)

// published compares keys with DNS, after the name servers themselves.
func (e *examination) published(ctx context.Context) {
	r, c := &e.report, e.host.Config
	if !c.Mode.Value.Sign {
		return
	}
	tester, err := keytable.NewTester(ctx, c.KeyTable.Value, c)
	if err != nil {
		r.Add(Finding{Check: "dns", Code: "dns-options", Status: Bad}, "%s", err)
		return
	}
	defer tester.Close()
	if dns := tester.Resolver(); dns != nil && !r.nameServers(ctx, e.host, dns) {
		e.mute = true
		r.skip("dns", "keys-unasked", "no name server answers: records are not looked at")
		return
	}
	tester.Diagnose = true
	tester.Others = e.targets
	targets := limit(e.targets, e.Keys)
	compared := 0
	tester.TestAll(ctx, targets, func(t keytable.Row, k keytable.Report) {
		if compared++; e.Progress != nil {
			e.Progress(compared, len(targets))
		}
		e.record(ctx, tester, t, k)
		if ctx.Err() == nil {
			e.sure = len(e.report)
		}
	})
	if len(e.targets) > e.Keys {
		r.Add(Finding{Check: "dns", Code: "keys-left", Status: Skipped,
			Advice: fmt.Sprintf("dojang doctor --keys %d, or opendkim-testkey", len(e.targets))},
			"%s not compared with DNS", words.Count(len(e.targets)-e.Keys, "more key"))
	}
}

// mind are the faults that some verifier minds, though a signature may hold by ours.
var mind = []string{keyrecord.FaultTesting, keyrecord.FaultHash, keyrecord.FaultWeak, keyrecord.FaultBlanks,
	keyrecord.FaultVersionMissing, keyrecord.FaultWildcard}

// record tells how the record of one key is published.
func (e *examination) record(ctx context.Context, tester *keytable.Tester, t keytable.Row, k keytable.Report) {
	r := &e.report
	if t.Domain == "%" {
		r.Add(Finding{Check: "dns", Code: "key-any-domain", Status: Skipped,
			Advice: "dojang testkey --domain DOMAIN --selector " + t.Selector},
			"'%s' is a key for any domain", t.Name)
		return
	}
	text, code, hints, status := k.Problem, "record", []string(nil), Bad
	if k.OK {
		status = Warning
	}
	minded := !k.OK
	for _, f := range k.Faults {
		if k.OK && !slices.Contains(mind, f.Code) {
			continue
		}
		minded = true
		if f.Fatal || code == "record" {
			code = "record-" + f.Code
		}
		if text != f.Text {
			text = strings.TrimPrefix(text+"; "+f.Text, "; ")
		}
		if f.Hint != "" && !slices.Contains(hints, f.Hint) {
			hints = append(hints, f.Hint)
		}
	}
	if !minded {
		r.Add(Finding{Check: "dns", Status: Good}, "%s is published and fits the private key", k.Record)
		return
	}
	if line := recordLine(ctx, tester, t); line != "" {
		hints = append(hints, "the record to publish: "+line)
	}
	r.Add(Finding{Check: "dns", Code: code, Status: status, Advice: strings.Join(hints, "; ")}, "%s: %s", k.Record, text)
}

// recordLine is the record of a key in one line of a zone file, "" where the key cannot
// be read.
func recordLine(ctx context.Context, tester *keytable.Tester, t keytable.Row) string {
	if t.Key == "" {
		return ""
	}
	private, err := tester.Load(ctx, t)
	if err != nil {
		return ""
	}
	record, err := keyrecord.Of(private.Public())
	if err != nil {
		return ""
	}
	record.Selector, record.Domain, record.Hashes = t.Selector, t.Domain, "sha256"
	var b strings.Builder
	if keyrecord.Write(&b, keyrecord.ZoneLine, record) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
