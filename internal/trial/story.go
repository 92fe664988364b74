package trial

import (
	"context"
	"fmt"
	"io"
	"time"

	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/explain"
	"dojang/internal/filter"
	"dojang/internal/message"
	"dojang/internal/policy"
)

// Story is everything `dojang explain` says about one message.
type Story struct {
	File       string              `json:"file"`
	Messages   int                 `json:"messages"` // that the file has: more than one in a mailbox file, of which this is the first
	Author     string              `json:"author,omitempty"`
	Arrived    string              `json:"arrived,omitempty"`  // the time by which it is judged, where its Received tells it
	Decision   string              `json:"decision"`           // sign, verify, skip, malformed, unknown
	Why        []string            `json:"why"`                // which rules decided it
	Problems   []string            `json:"problems,omitempty"` // of the configuration
	Reply      string              `json:"reply,omitempty"`    // what the mail server is told
	Signatures []explain.Signature `json:"signatures"`
}

// explainTime bounds the search for causes in one message.
const explainTime = 20 * time.Second

// Explainer has the configuration that messages are explained under. Without
// one that can be used, signatures are still looked at.
type Explainer struct {
	snapshot *filter.Snapshot // nil when the configuration cannot be used
	problems []string
	Verifier
	Close func()
}

// NewExplainer makes the snapshot of a configuration. Close closes it.
func NewExplainer(ctx context.Context, cfg *config.Config, version string) (w *Explainer, err error) {
	parts := build.ToolParts(version)
	parts.Account, _ = build.AccountOf(cfg) // whose eyes see key files; an unknown one is told as a problem
	w = &Explainer{}
	built, problems := build.Snapshot(ctx, cfg, parts)
	for _, p := range problems {
		w.problems = append(w.problems, p.String())
	}
	if built != nil {
		w.snapshot, w.Verifier, w.Close = built.Snapshot, Verifier{&built.Snapshot.Snapshot}, built.Snapshot.Discard
		return w, nil
	}
	if w.Verifier, w.Close, err = NewVerifier(ctx, cfg); err != nil {
		w.Verifier, w.Close, err = NewVerifier(ctx, config.New()) // what is wrong stands among the problems
	}
	return w, err
}

// Tell tells one message's story in two runs: what the filter decides, and what there is
// to be seen of every signature, whatever the filter leaves out.
func (w *Explainer) Tell(ctx context.Context, e message.Envelope, fields *header.List, body []byte, now time.Time) Story {
	at := explain.Arrival(fields, now)
	story := Story{Decision: "unknown", Why: []string{}, Problems: w.problems}
	if !at.Equal(now) {
		story.Arrived = at.UTC().Format(time.RFC3339)
	}
	results := w.ByRules(ctx, at, fields, body)
	if w.snapshot != nil {
		services := message.NewServices(nil, func() time.Time { return at })
		run := services.Whole(ctx, &w.snapshot.Snapshot, message.Effects{}, e, fields, body)
		story.decide(w.snapshot.Rules, run)
		results = explain.Judged(results, run.Verdict.Results)
	} else {
		story.Why = append(story.Why, "the configuration cannot be used, so nothing is known of what the filter would do")
	}
	evidence := w.Verify(ctx, explain.Evidence(at), fields, body)
	search, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	story.Signatures = explain.Signatures(search, fields, body, explain.Judged(evidence, results), now)
	return story
}

// decide tells what the filter does and which rules made it so.
func (m *Story) decide(rules *policy.Rules, run *message.Run) {
	plan := run.Plan
	if plan.Author.Domain != "" {
		m.Author = plan.Author.User + "@" + plan.Author.Domain
	}
	for _, n := range plan.Notes {
		m.Why = append(m.Why, n.Event.Text)
	}
	switch mode := plan.Mode(); mode {
	case policy.Ends:
		m.Decision, m.Reply = "skip", plan.Reply.Action.String()
		if len(plan.Notes) == 0 {
			m.Why = append(m.Why, "Mode asks neither for signing nor for verifying it")
		}
		return
	case policy.Exempts, policy.LeavesBe:
		m.Decision, m.Reply = "skip", policy.Accept.String()
		return
	case policy.Malforms:
		m.Decision = mode.String()
	case policy.Signs, policy.Resigns:
		m.Decision = mode.String()
		m.explainKeys(rules, run)
	case policy.Verifies:
		m.Decision = mode.String()
		if len(plan.Notes) == 0 {
			m.Why = append(m.Why, "no key is chosen for its author, or Mode leaves signing out")
		}
	}
	if o := run.Outcome; o != nil && o.Reply.Action != policy.Accept {
		m.Reply = o.Reply.String()
	}
}

func (m *Story) explainKeys(rules *policy.Rules, run *message.Run) {
	table := "Domain"
	if rules.SigningTable != nil {
		table = "SigningTable"
	}
	for _, request := range run.Plan.Sign {
		key := request.Key
		text := fmt.Sprintf("%s gives %s the key", table, m.Author)
		if key.Name != "" {
			text += " '" + key.Name + "'"
		}
		text += fmt.Sprintf(": s=%s, d=%s, %s, %d bits", key.Selector, request.Domain, key.Algorithm, key.Bits)
		if key.Source != "" {
			text += ", from " + key.Source
		}
		m.Why = append(m.Why, text)
	}
	if run.Verdict.SignError != nil {
		m.Why = append(m.Why, "it cannot be signed: "+run.Verdict.SignError.Error())
	}
}

// Print tells the story to people.
func (m *Story) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", m.File)
	if m.Messages > 1 {
		fmt.Fprintf(w, "  a mailbox of %d messages: this is of the first alone\n", m.Messages)
	}
	if m.Author != "" {
		fmt.Fprintf(w, "  author: %s\n", m.Author)
	}
	if m.Arrived != "" {
		fmt.Fprintf(w, "  judged as of its arrival: %s\n", m.Arrived)
	}
	fmt.Fprintf(w, "  the filter would: %s\n", m.Decision)
	for _, why := range m.Why {
		fmt.Fprintf(w, "    because: %s\n", why)
	}
	for _, p := range m.Problems {
		fmt.Fprintf(w, "    configuration: %s\n", p)
	}
	if m.Reply != "" {
		fmt.Fprintf(w, "  the mail server is told: %s\n", m.Reply)
	}
	if len(m.Signatures) == 0 {
		fmt.Fprintln(w, "  no signature")
	}
	for _, g := range m.Signatures {
		printSignature(w, g)
	}
}

func printSignature(w io.Writer, g explain.Signature) {
	fmt.Fprintf(w, "  signature %d: d=%s s=%s, %s, %s: %s\n", g.Number, g.Domain, g.Selector, g.Algorithm, g.Canonicalization, g.Result)
	if g.Reason != "" {
		fmt.Fprintf(w, "    %s: %s\n", g.Reason, g.Text)
	}
	switch {
	case g.Key.Error != "":
		fmt.Fprintf(w, "    key %s: %s\n", g.Key.Record, g.Key.Error)
	case g.Key.Found:
		fmt.Fprintf(w, "    key %s: %s, %d bits\n", g.Key.Record, g.Key.Type, g.Key.Bits)
	case g.Key.Record != "":
		fmt.Fprintf(w, "    key %s: not found\n", g.Key.Record)
	}
	if g.Result != "pass" {
		fmt.Fprintf(w, "    header: %s, body: %s\n", fits(g.HeaderOK, g.HeaderChecked), fits(g.BodyOK, g.BodyChecked))
	}
	fmt.Fprintf(w, "    d= %s\n", aligns(g.Alignment))
	for _, c := range g.Causes {
		mark := "likely"
		if c.Proved {
			mark = "proved"
		}
		fmt.Fprintf(w, "    %s (%s): %s\n", c.Part, mark, c.Text)
	}
	for _, n := range g.Notes {
		fmt.Fprintf(w, "    note: %s\n", n.Text)
	}
}

// aligns says whether a signature's domain is the author's, in DMARC's words.
func aligns(a explain.Alignment) string {
	switch {
	case a.Author == "":
		return "aligns with no author: From has no single domain"
	case a.Strict:
		return "aligns with From (strict): it is " + a.Author
	case a.Relaxed:
		return fmt.Sprintf("aligns with From (relaxed): %s is of %s too", a.Author, a.Organizational)
	}
	return fmt.Sprintf("does not align with From: %s is of %s", a.Author, a.Organizational)
}

func fits(ok, checked bool) string {
	switch {
	case ok:
		return "fits"
	case checked:
		return "does not fit"
	}
	return "not known"
}
