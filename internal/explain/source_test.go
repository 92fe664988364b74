package explain

import (
	"strings"
	"testing"
)

// TestSource: what people save and paste is the message that it holds; of a mailbox file
// (RFC 4155) the first, whatever stands in its text.
func TestSource(t *testing.T) {
	const line = "From joe@example.com Mon Nov 23 10:00:00 2026\n"
	const body = "From here on\r\n\r\nFrom me, at 10:00 2026\r\nplain\r\n"
	const one = "Subject: a\n\nFrom here on\n\nFrom me, at 10:00 2026\nplain\n"
	const two = "Subject: b\n\nsecond\n"
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for name, c := range map[string]struct {
		source   string
		messages int
	}{
		"bare": {one, 1}, "CRLF": {crlf(one), 1}, "byte order mark": {"\ufeff" + one, 1}, "empty lines": {"\r\n\n" + one, 1},
		"line of a mailbox": {line + one, 1}, "Thunderbird": {"From - Mon Nov 23 10:00:00 2026\r\n" + crlf(one), 1},
		"mailbox":       {line + one + "\n" + line + two, 2},
		"three, CRLF":   {crlf(line + one + "\n" + line + two + "\n" + line + two), 3},
		"MAILER-DAEMON": {"From MAILER-DAEMON Mon Nov 23 10:00:00 2026 +0900\n" + one + "\n" + line + two, 2},
	} {
		fields, got, messages, err := Parse([]byte(c.source))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fields.Len() != 1 || messages != c.messages || strings.TrimRight(string(got), "\r\n")+"\r\n" != body {
			t.Errorf("%s: %d fields, %d messages, %q", name, fields.Len(), messages, got)
		}
	}
	// Without a line above the first message, it is no mailbox.
	_, got, messages, err := Parse([]byte(one + "\n" + line + two))
	if err != nil || messages != 1 || !strings.Contains(string(got), "second") {
		t.Errorf("%d messages, %q, %v", messages, got, err)
	}
	for _, source := range []string{"", "\ufeff", line, "\n\n", line + "\n" + line} {
		if _, _, _, err := Parse([]byte(source)); err == nil {
			t.Errorf("%q is a message", source)
		}
	}
}
