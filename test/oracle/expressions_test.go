package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dojang/internal/bre"
	"dojang/internal/testutil"
)

// what expressions and texts are made of.
var (
	expressionParts = strings.Fields(`a b ab x . * * \( \) \(a\) \(a*\) \| \+ \? \{2\} \{1,2\} ^ $ ( ) | + ? { } {2} [ab] [^a] []a] [a-c] [[:alpha:]] [[:space:]x] [a-
		\w \W \s \b \B \. \* \[ \] \\ \/ \a \n - _ 1 (EUR) it? € (list) [list] \[list\] ^Re: .* [Ee]`)
	textParts = strings.Fields(`a b ab c x aa € _ - 1 ( ) | + ? { } {2} [ ] ^ $ \ . * n EUR (EUR) it it? z / w [list] list Re: E`)
)

func several(r *rand.Rand, of []string, most int) string {
	var b strings.Builder
	for range 1 + r.IntN(most) {
		b.WriteString(of[r.IntN(len(of))])
	}
	return b.String()
}

// again reports whether opendkim finds an expression in a text more than once: what stands
// before the second place is lost there, and nothing is found for ever.
func again(expression, text string) bool {
	e, err := bre.Compile(expression)
	if err != nil {
		return false
	}
	text = " " + text
	start, end, ok := e.Find(text)
	if !ok || start == end {
		return ok
	}
	_, _, ok = e.Find(text[:start] + text[end:])
	return ok
}

// signatures are what both make of a message in one second.
func signatures(t *testing.T, s send, a, b *daemon) (theirs, ours string) {
	t.Helper()
	for range 10 {
		x, err := sendTo(a, s)
		y, err2 := sendTo(b, s)
		theirs, ours = render(a.instance, &x, err, nil), render(b.instance, &y, err2, nil)
		if seconds(theirs) == seconds(ours) {
			break
		}
	}
	return theirs, ours
}

// TestExpressions: an expression of ReplaceRules finds here what it finds in opendkim, in
// the same fields, or it is told at the start.
func TestExpressions(t *testing.T) {
	p := ready(t)
	count := 20
	if testutil.Long() {
		count = 200
	}
	for i := range count {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed(), uint64(i)))
			expression := several(r, expressionParts, 5)
			c := &testCase{name: "expression", files: map[string]string{"rules": expression + "\t\n"}, messages: map[string][]byte{},
				config: signs + "ReplaceRules DIR/rules\nReplaceHeaders Subject\n"}
			for j := range 6 {
				name, text := fmt.Sprint("text", j), several(r, textParts, 6)
				if again(expression, text) {
					continue
				}
				c.messages[name] = []byte("From: user@example.com\r\nSubject: " + text + "\r\n\r\nText.\r\n")
				s, err := c.readSend(name + " local")
				if err != nil {
					t.Fatal(err)
				}
				c.sends = append(c.sends, s)
			}
			a := newInstance(t, p, p.opendkim(), c, "").start(t)
			b := newInstance(t, p, p.dojang(), c, "").start(t)
			defer a.stop()
			defer b.stop()
			if a.Ended() != b.Ended() {
				if said := b.warnings(); said == "" || a.Ended() {
					t.Errorf("%q: opendkim %v, ours %v", expression, started(a), started(b))
				}
				return
			}
			if a.Ended() {
				return
			}
			a.log.take()
			b.log.take()
			for _, s := range c.sends {
				if theirs, ours := signatures(t, s, a, b); theirs != ours {
					t.Errorf("%q with %q: (opendkim, ours)\n%s\n%s", expression, s.message.Raw, theirs, ours)
				}
			}
		})
	}
}
