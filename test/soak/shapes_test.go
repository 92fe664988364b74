package soak

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dojang/milter"
	"dojang/test/faults/rig"
)

// shape is a message and what must become of it.
type shape struct {
	name    string
	message milter.Message
	// field and text must be in an edit; nothing is edited when field is "".
	field, text string
	signed      bool // by us: the signature is verified now and then
}

// shapes makes the mixture.
func shapes(t *testing.T) []shape {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	var list []shape
	sign := func(name string, m milter.Message) {
		list = append(list, shape{name: name, message: m, field: "DKIM-Signature", text: "d=" + rig.Domain, signed: true})
	}
	verify := func(name string, m milter.Message, text string) {
		list = append(list, shape{name: name, message: rig.Foreign(m), field: "Authentication-Results", text: text})
	}
	for i := range 40 {
		sign("everyday", rig.Message(fmt.Sprintf("everyday %d", i), r.IntN(8000)))
		verify("everyday, signed", rig.SignedBy(t, rig.Message(fmt.Sprintf("signed %d", i), r.IntN(8000)), rig.Selector), "dkim=pass")
	}
	sign("large", rig.Message("large", 300_000))
	verify("large, signed", rig.SignedBy(t, rig.Message("large", 300_000), rig.Selector), "dkim=pass")
	empty := rig.Message("empty", 0)
	empty.Raw = empty.Raw[:bytes.Index(empty.Raw, []byte("\r\n\r\n"))+4]
	sign("no body", empty)
	sign("blank lines", withBody(strings.Repeat("\r\n", 5000)))
	sign("blanks", withBody(strings.Repeat(" \t", 20_000)+"x\r\n"))
	sign("8-bit and bare line ends", withBody("h\xe4\xff\x80\r\nbare\rcr and\nlf\r\n\r\n\r\n"))
	sign("no line end", withBody("no line end"))
	sign("one long line", withBody(strings.Repeat("x", 100_000)+"\r\n"))
	sign("many fields", withFields(strings.Repeat("X-Trace: some value that is folded\r\n\tonce\r\n", 300)))
	sign("a long field", withFields("X-Long: "+strings.Repeat("abcdefg ", 7000)+"\r\n"))
	many := rig.Message("many recipients", 1000)
	for i := range 500 {
		many.Rcpts = append(many.Rcpts, fmt.Sprintf("r%d@example.org", i))
	}
	sign("many recipients", many)
	broken := rig.SignedBy(t, rig.Message("broken", 3000), rig.Selector)
	broken.Raw = append(bytes.Clone(broken.Raw), "one line more\r\n"...)
	verify("broken", broken, "dkim=fail")
	verify("no key", rig.SignedBy(t, rig.Message("no key", 3000), "missing"), "dkim=fail")
	three := rig.SignedBy(t, rig.SignedBy(t, rig.SignedBy(t, rig.Message("three", 500), "missing"), rig.Selector), rig.Selector)
	verify("three signatures", three, "dkim=pass")
	garbage := rig.Message("garbage", 100)
	garbage.Raw = append([]byte("DKIM-Signature: "+strings.Repeat("v=1;;=;", 300)+"\r\n"), garbage.Raw...)
	verify("garbage for a signature", garbage, "dkim=permerror")
	forged := rig.Message("forged", 100)
	forged.Raw = append([]byte("Authentication-Results: filter.test; dkim=pass header.d=bank.example\r\n"), forged.Raw...)
	list = append(list, shape{name: "forged result", message: rig.Foreign(forged), field: "Authentication-Results"})
	nobody := rig.Message("nobody", 100)
	nobody.Raw = bytes.Replace(nobody.Raw, []byte("From: joe@"+rig.Domain), []byte("From: nobody at all"), 1)
	verify("no author", nobody, "dkim=permerror")
	list = append(list, shape{name: "unsigned stranger", message: rig.Foreign(rig.Message("unsigned", 2000))})
	return list
}

func withBody(body string) milter.Message {
	m := rig.Message("a body", 0)
	m.Raw = append(m.Raw[:bytes.Index(m.Raw, []byte("\r\n\r\n"))+4], body...)
	return m
}

func withFields(fields string) milter.Message {
	m := rig.Message("fields", 500)
	m.Raw = append([]byte(fields), m.Raw...)
	return m
}

// check reports what is wrong with an outcome.
func (s *shape) check(o *milter.Outcome, thoroughly bool) error {
	if o.Final.Kind != milter.ReplyAccept {
		return fmt.Errorf("%s: answered with %v", s.name, o.Final.String())
	}
	if s.field == "" {
		if len(o.Edits) != 0 {
			return fmt.Errorf("%s: edits %v", s.name, o.Edits)
		}
		return nil
	}
	found := false
	for _, e := range o.Edits {
		found = found || e.Name == s.field && strings.Contains(e.Value, s.text)
	}
	if !found {
		return fmt.Errorf("%s: no %s with %q in %v", s.name, s.field, s.text, o.Edits)
	}
	if s.signed && thoroughly {
		if err := rig.CheckSigned(&s.message, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
