package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/explain"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// message is a header, its fields whole and without line ends, and a body.
type message struct {
	fields []string
	body   string
}

func parse(text string) message {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	return message{fieldsOf(head), body}
}

// fieldsOf takes whole fields apart that stand one below the other.
func fieldsOf(head string) []string {
	var fields []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if len(fields) > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			fields[len(fields)-1] += "\r\n" + line
		} else if line != "" {
			fields = append(fields, line)
		}
	}
	return fields
}

func (m message) String() string { return strings.Join(m.fields, "\r\n") + "\r\n\r\n" + m.body }

func (m message) clone() message { return message{slices.Clone(m.fields), m.body} }

// undo takes a proved cause's edit back, by what it says was there and is there.
func undo(m message, c explain.Cause) (message, error) {
	m = m.clone()
	switch {
	case c.Code == explain.CodeHeaderCut:
		rest, ok := strings.CutPrefix(m.body, c.Is)
		if !ok {
			return m, fmt.Errorf("the body does not begin with %q", c.Is)
		}
		m.fields, m.body = append(m.fields, fieldsOf(c.Is)...), rest
	case c.Part == explain.PartBody:
		lines := strings.SplitAfter(m.body, "\n")
		if c.Line < 1 || c.Line > len(lines) {
			return m, fmt.Errorf("there is no line %d", c.Line)
		}
		above := strings.Join(lines[:c.Line-1], "")
		rest, ok := strings.CutPrefix(m.body[len(above):], c.Is)
		if !ok {
			return m, fmt.Errorf("at line %d does not stand %q", c.Line, c.Is)
		}
		m.body = above + c.Was + rest
	default:
		at := len(m.fields)
		is := fieldsOf(c.Is)
		for i := len(is) - 1; i >= 0; i-- {
			last := -1
			for k, f := range m.fields {
				if f == is[i] {
					last = k
				}
			}
			if last < 0 {
				return m, fmt.Errorf("there is no field %q", is[i])
			}
			m.fields, at = slices.Delete(m.fields, last, last+1), last
		}
		m.fields = slices.Insert(m.fields, at, fieldsOf(c.Was)...)
	}
	return m, nil
}

// python is Debian's, for which its packages are.
const python = "/usr/bin/python3"

const verifyScript = `
import sys, dkim
record = sys.argv[1].encode()
for line in sys.stdin:
    with open(line.strip(), 'rb') as f:
        message = f.read()
    try:
        print('pass' if dkim.verify(message, dnsfunc=lambda name, timeout=5: record) else 'fail')
    except Exception:
        print('fail')
`

// dkimpy are its verdicts.
func dkimpy(t *testing.T, record string, messages []string) []string {
	t.Helper()
	testutil.Need(t, python)
	dir := t.TempDir()
	var list strings.Builder
	for i, m := range messages {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
		list.WriteString(path + "\n")
	}
	// -P: a folder of ours is called dkim too.
	verdicts := strings.Fields(proctest.Ask(t, list.String(), python, "-P", "-c", verifyScript, record))
	if len(verdicts) < len(messages) {
		t.Fatalf("%d verdicts on %d messages", len(verdicts), len(messages))
	}
	return verdicts
}
