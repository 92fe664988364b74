package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"dojang/internal/event"
	"dojang/milter"
)

// Kind is a kind of difference.
type Kind string

// The kinds of differences.
const (
	KindSigned     Kind = "signed"        // one filter signs, the other does not
	KindSigner     Kind = "signer"        // d=, s= or a=
	KindHeaders    Kind = "h="            // which fields are signed
	KindTag        Kind = "tag"           // another tag of a signature
	KindBodyHash   Kind = "bh="           // of the same body, by the same means
	KindResults    Kind = "results"       // Authentication-Results
	KindReply      Kind = "reply"         // the answer to the MTA
	KindAdded      Kind = "field added"   // another field
	KindRemoved    Kind = "field removed" // or changed
	KindPlace      Kind = "place"         // where a field is put
	KindQuarantine Kind = "quarantine"    //
	KindEnvelope   Kind = "envelope"      // sender and recipients
	KindBody       Kind = "body"          // replaced
)

// kinds are all of them, in the order of their weight.
var kinds = [...]Kind{
	KindSigned, KindSigner, KindHeaders, KindTag, KindBodyHash, KindResults, KindReply, KindRemoved, KindAdded, KindPlace, KindQuarantine, KindEnvelope, KindBody,
}

// Difference is one thing that the filters decided differently.
type Difference struct {
	Kind  Kind   `json:"kind"`
	Old   string `json:"old"` // "" for nothing
	New   string `json:"new"`
	Cause string `json:"cause"`
	// Documented is where docs/differences.md tells of it, "" where it does not.
	Documented string `json:"documented,omitempty"`
}

// maxText bounds a text of a difference: a stranger may have written it.
const maxText = 1000

func cut(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}

// comparison compares what became of one message.
type comparison struct {
	seen     *seen
	old, own *decision
	entries  []entry
	found    []Difference
}

// compare returns the differences between what the old filter decided and our decision.
func compare(m *seen, own *decision, entries []entry) []Difference {
	c := &comparison{seen: m, old: &m.old, own: own, entries: entries}
	c.signatures()
	c.results()
	c.fields()
	c.others()
	c.reply()
	for i := range c.found {
		d := &c.found[i]
		d.Old, d.New = cut(d.Old), cut(d.New)
		d.Documented = c.documented(d)
	}
	return c.found
}

func (c *comparison) differ(kind Kind, old, own, cause string) {
	c.found = append(c.found, Difference{Kind: kind, Old: old, New: own, Cause: cause})
}

// added are the values of fields of a name that a filter adds.
func (d *decision) added(name string) (values []string) {
	for _, e := range d.edits {
		if (e.Kind == milter.ReplyAddHeader || e.Kind == milter.ReplyInsertHeader) && strings.EqualFold(e.Name, name) {
			values = append(values, e.Value)
		}
	}
	return values
}

// said returns our filter's line about one of the events, "" where there is none.
func (c *comparison) said(events ...string) string {
	for _, e := range c.entries {
		if slices.Contains(events, e.event) {
			return e.text
		}
	}
	return ""
}

// lastSaid is our filter's line that ends its way to a decision.
func (c *comparison) lastSaid() string {
	summary := event.Summary("").Name
	for i := len(c.entries) - 1; i >= 0; i-- {
		if c.entries[i].event != summary {
			return "dojang says: " + c.entries[i].text
		}
	}
	return "dojang has nothing to say of it"
}

// reply compares the final answers. At a message's end, Continue is Accept.
func (c *comparison) reply() {
	same := func(k byte) byte {
		if k == milter.ReplyContinue {
			return milter.ReplyAccept
		}
		return k
	}
	if same(c.old.kind) == same(c.own.kind) && (c.old.kind != milter.ReplyCode || c.old.reply == c.own.reply) {
		return
	}
	c.differ(KindReply, c.old.reply, c.own.reply, c.lastSaid())
}

// others compares what is neither signature nor result nor field.
func (c *comparison) others() {
	body := func(d *decision) string {
		n := 0
		for _, e := range d.edits {
			if e.Kind == milter.ReplyReplaceBody {
				n += len(e.Value)
			}
		}
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("a body of %d octets", n)
	}
	if old, own := body(c.old), body(c.own); old != own {
		c.differ(KindBody, old, own, "dojang never replaces a body")
	}
	for _, kind := range []byte{milter.ReplyAddRcpt, milter.ReplyAddRcptArgs, milter.ReplyDelRcpt,
		milter.ReplyChangeFrom, milter.ReplyQuarantine} {
		old, own := texts(c.old, kind), texts(c.own, kind)
		if slices.Equal(old, own) {
			continue
		}
		what := KindEnvelope
		if kind == milter.ReplyQuarantine {
			what = KindQuarantine
		}
		c.differ(what, strings.Join(old, ", "), strings.Join(own, ", "), c.lastSaid())
	}
}

// texts are the edits of a kind that is no field, in words, sorted.
func texts(d *decision, kind byte) (all []string) {
	names := map[byte]string{
		milter.ReplyAddRcpt: "add recipient ", milter.ReplyAddRcptArgs: "add recipient ", milter.ReplyDelRcpt: "delete recipient ",
		milter.ReplyChangeFrom: "sender ", milter.ReplyQuarantine: "",
	}
	for _, e := range d.edits {
		if e.Kind == kind {
			all = append(all, names[kind]+strings.TrimSpace(e.Value+" "+e.Args))
		}
	}
	slices.Sort(all)
	return all
}
