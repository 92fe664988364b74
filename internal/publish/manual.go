package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"dojang/header"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// remindSeconds is when a person is told again of what is not done.
const remindSeconds = 24 * 60 * 60

// manual publishes by telling people what to do. The name servers tell when it is done.
type manual struct {
	format keyrecord.Format
	mail   []string // addresses
	o      Options
}

func (s Spec) manual(o Options) (*manual, error) {
	values, err := s.values("format", "mail")
	if err != nil {
		return nil, err
	}
	m := &manual{format: keyrecord.SingleLine, o: o}
	if values["format"] != "" {
		if m.format, err = keyrecord.ParseFormat(values["format"]); err != nil {
			return nil, err
		}
	}
	if values["mail"] != "" {
		boxes, err := header.Addresses([]byte(values["mail"]))
		if err != nil || len(boxes) == 0 {
			return nil, fmt.Errorf("mail=%s: write an address, or several with commas between", problem.Quote(values["mail"]))
		}
		for _, b := range boxes {
			if b.Domain == "" || strings.ContainsAny(b.Local+b.Domain, "\r\n\t <>,;") {
				return nil, fmt.Errorf("mail=%s: write an address, or several with commas between", problem.Quote(values["mail"]))
			}
			m.mail = append(m.mail, b.Local+"@"+b.Domain)
		}
	}
	return m, nil
}

// Apply implements Publisher. All changes are Pending, and to be told again after a day.
func (m *manual) Apply(ctx context.Context, b Batch) ([]Result, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := m.write(&text, b); err != nil {
		return nil, err
	}
	if m.o.Out != nil {
		if _, err := m.o.Out.Write(text.Bytes()); err != nil {
			return nil, err
		}
	}
	known, detail := outcome{}, "printed: publish it by hand"
	if len(m.mail) > 0 {
		detail = "mailed to " + strings.Join(m.mail, ", ")
		if err := m.send(ctx, b, text.Bytes()); err != nil {
			known.setAll(b.Changes, Retry, "cannot be mailed: "+problem.Quote(err.Error()))
			return known.list(b.Changes), nil
		}
	}
	for _, c := range b.Changes {
		r := c.ended(Pending, detail)
		r.RetryAfterSeconds = remindSeconds
		known.set(r)
	}
	return known.list(b.Changes), nil
}

// write says what to do, each kind of change below a heading of its own.
func (m *manual) write(w io.Writer, b Batch) error {
	var add, replace []keyrecord.Record
	for _, c := range b.Changes {
		r := keyrecord.Published(c.Name, keyrecord.Canonical(b.Zone), c.Text, c.TTLSeconds)
		switch c.Do {
		case DoPresent:
			add = append(add, r)
		case DoReplace:
			replace = append(replace, r)
		}
	}
	for _, part := range []struct {
		heading string
		records []keyrecord.Record
	}{{"publish this", add}, {"put this in the place of the TXT record that stands there", replace}} {
		if len(part.records) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s, then do nothing: it is seen when the name servers have it\n", part.heading)
		if m.format == keyrecord.SingleLine {
			for _, r := range part.records {
				fmt.Fprintf(w, "  zone   %s\n  name   %s\n  type   TXT   TTL %d\n  value  %s\n\n",
					r.Domain, r.Relative(), r.TTLSeconds, legible(r.Text()))
			}
			continue
		}
		if err := keyrecord.Write(w, m.format, part.records...); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	zone := keyrecord.Canonical(b.Zone)
	for _, c := range b.Changes {
		if c.Do == DoAbsent {
			fmt.Fprintf(w, "take this record away, then do nothing\n  zone   %s\n  name   %s\n  type   TXT\n  value  %s\n\n",
				zone, keyrecord.Published(c.Name, zone, "", 0).Relative(), legible(strings.Join(c.IfStrings, "")))
		}
	}
	return nil
}

// legible is a value to type: what cannot stand in one is escaped.
func legible(s string) string {
	quoted := strconv.Quote(s)
	if strings.ContainsFunc(s, unicode.IsControl) {
		return quoted[1 : len(quoted)-1]
	}
	return s
}

// send mails the text (RFC 5322).
func (m *manual) send(ctx context.Context, b Batch, text []byte) error {
	if m.o.Send == nil {
		return fmt.Errorf("no way to send mail")
	}
	var message bytes.Buffer
	fmt.Fprintf(&message, "From: %s\nTo: %s\nDate: %s\nSubject: DNS records of %s to change\nAuto-Submitted: auto-generated\n",
		m.o.From, strings.Join(m.mail, ", "),
		m.o.now().Format(time.RFC1123Z), keyrecord.Canonical(b.Zone))
	message.WriteString("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
	message.Write(text)
	return m.o.Send(ctx, m.mail, message.Bytes())
}
