package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/filter"
	"dojang/internal/message"
	"dojang/internal/policy"
)

// explainOptions are those of `dojang explain`.
type explainOptions struct {
	config        string
	client        string // address the message came from
	clientName    string
	authenticated bool
	sender        string
	recipients    []string
	json          bool
}

// explainCommand is `dojang explain`.
func explainCommand(s Streams) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain FILE...",
		Short: "Tell a message's whole story: what is done with it, and why its signatures fail",
		Long: `For each message, say what the filter does with it under its configuration and
which rule decides that; then, for each signature, its key, its state and, when
it fails, whether the header or the body no longer fits, which field, and what
most likely changed it.

Everything is checked that can be: expired signatures, rsa-sha1, those beyond
MaximumSignaturesToVerify and those that the filter leaves out. What cannot be
checked, for want of a key, is said to be not known. A message is judged by the
time at which it arrived, which its topmost Received field tells, and a signature
that has expired since is told. Key files are judged as the filter's user.

Causes are searched for, not guessed: what Postfix, Sendmail, Exchange, Mailman,
Google Groups and others do to messages (subject tags, footers and banners, Cc
and other lists of addresses written anew, the From of mailing lists, white
space, long lines, line ends, changes of the transfer encoding, removed, added,
repeated or reordered fields, a header cut in two) is undone one by one and
together. A cause is "proved" when undoing it reproduces the hash that was
signed; "likely" is what something in the message points to. When the signature
carries a copy of its header (z=), the copy is compared. The search ends after
20 seconds.

Whether d= aligns with From is said as DMARC asks: strict when it is the same
domain, relaxed when it is one of the same organizational domain.

The message should be as it was received: a mail program's "save as" may change
it itself. "-" is standard input.`,
		Example: `  dojang explain message.eml
  dojang explain --client 192.0.2.7 --auth --sender joe@example.com message.eml
  dojang explain --json message.eml | jq '.[].signatures[].causes'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runExplain(c.Context(), s, o, args, time.Now()) },
	}
	f := c.Flags()
	f.StringVarP(&o.config, "config", "x", "", "configuration file ("+config.DefaultPath+")")
	f.StringVar(&o.client, "client", "", "address of the client the message came from (one that is not internal)")
	f.StringVar(&o.clientName, "client-name", "", "host name of that client")
	f.BoolVar(&o.authenticated, "auth", false, "the client had logged in")
	f.StringVar(&o.sender, "sender", "", "envelope sender")
	f.StringSliceVar(&o.recipients, "recipient", nil, "envelope recipient")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// messageStory is everything `dojang explain` says about one message.
type messageStory struct {
	File       string              `json:"file"`
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

func runExplain(ctx context.Context, s Streams, o explainOptions, files []string, now time.Time) error {
	e, err := o.envelope()
	if err != nil {
		return err
	}
	world, err := newExplainWorld(ctx, o.config)
	if err != nil {
		return err
	}
	defer world.done()
	stories := []messageStory{}
	for _, file := range files {
		_, fields, body, err := parseMessageFile(s.In, file)
		if err != nil {
			return err
		}
		story := world.tell(ctx, e, fields, body, now)
		story.File = file
		stories = append(stories, story)
		if !o.json {
			story.print(s.Out)
		}
	}
	if o.json {
		return s.printJSON(stories)
	}
	return nil
}

func (o explainOptions) envelope() (message.Envelope, error) {
	e := message.Envelope{Origin: message.Origin{ClientName: o.clientName}, Sender: o.sender, Recipients: o.recipients}
	if e.ClientName == "" {
		e.ClientName = "unknown"
	}
	// RFC 5737: an address that is nobody's, and so in no list of hosts.
	e.ClientAddr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	if o.client != "" {
		addr, err := netip.ParseAddr(o.client)
		if err != nil {
			return e, exit.Errorf(exit.Usage, "--client %q is no address", o.client)
		}
		e.ClientAddr = addr
	}
	e.Macro = func(name string) string {
		if o.authenticated && name == "auth_type" {
			return "PLAIN"
		}
		return ""
	}
	return e, nil
}

// explainWorld is the configuration that messages are explained under. Without
// one that can be used, signatures are still looked at.
type explainWorld struct {
	filter   *filter.Snapshot // nil when the configuration cannot be used
	problems []string
	verifier
	done func()
}

func newExplainWorld(ctx context.Context, path string) (*explainWorld, error) {
	cfg, err := toolConfig(path)
	if err != nil {
		return nil, err
	}
	parts := build.ToolParts(Version)
	parts.Account, _ = build.AccountOf(cfg) // whose eyes see key files; an unknown one is told as a problem
	w := &explainWorld{}
	built, problems := build.Snapshot(ctx, cfg, parts)
	for _, p := range problems {
		w.problems = append(w.problems, p.String())
	}
	if built != nil {
		w.filter, w.verifier, w.done = built.Snapshot, verifier{&built.Snapshot.Snapshot}, built.Snapshot.Discard
		return w, nil
	}
	if w.verifier, w.done, err = toolVerifier(ctx, cfg); err != nil {
		w.verifier, w.done, err = toolVerifier(ctx, config.New()) // what is wrong stands among the problems
	}
	return w, err
}

// tell tells one message's story in two runs: what the filter decides, and what there is
// to be seen of every signature, whatever the filter leaves out.
func (w *explainWorld) tell(ctx context.Context, e message.Envelope, fields *header.List, body []byte, now time.Time) messageStory {
	at := explain.Arrival(fields, now)
	story := messageStory{Decision: "unknown", Why: []string{}, Problems: w.problems}
	if !at.Equal(now) {
		story.Arrived = at.UTC().Format(time.RFC3339)
	}
	results := w.byRules(ctx, at, fields, body)
	if w.filter != nil {
		services := message.NewServices(nil, func() time.Time { return at })
		run := services.Whole(ctx, &w.filter.Snapshot, message.Effects{}, e, fields, body)
		story.decide(w.filter.Rules, run)
		for _, judged := range run.Verdict.Results {
			for i := range results {
				if results[i].FieldIndex == judged.FieldIndex {
					results[i] = judged
				}
			}
		}
	} else {
		story.Why = append(story.Why, "the configuration cannot be used, so nothing is known of what the filter would do")
	}
	evidence := w.verify(ctx, explain.Evidence(at), fields, body)
	search, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	story.Signatures = explain.Signatures(search, fields, body, explain.Judged(evidence, results), now)
	return story
}

// decide tells what the filter does and which rules made it so.
func (m *messageStory) decide(rules *policy.Rules, run *message.Run) {
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

func (m *messageStory) explainKeys(rules *policy.Rules, run *message.Run) {
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

func (m *messageStory) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", m.File)
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
