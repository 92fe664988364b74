package milter

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Edits collects the changes made at the end of a message. They leave in one
// write, together with the final answer. A change the MTA did not grant is an
// error that wraps ErrNotGranted, and is not sent; nor is one that cannot be told, such as
// a field's name with a space or an address or a reason of two lines, which is an error, too.
//
// Header values are given with or without one leading blank, folded with CRLF or
// LF: the message always gets "Name: value". A line break that no blank follows
// gets a TAB, so that no value can start another field; NUL is dropped.
type Edits struct {
	conn *Conn
}

func (e *Edits) begin(kind byte) int {
	e.conn.out = append(e.conn.out, 0, 0, 0, 0, kind)
	return len(e.conn.out) - frameHeadBytes
}

func (e *Edits) end(start int) { e.conn.out = endFrame(e.conn.out, start) }

func (e *Edits) need(a ActionMask, what string) error {
	if e.conn.negotiation.Actions&a == 0 {
		return fmt.Errorf("%s: %w", what, ErrNotGranted)
	}
	return nil
}

// AddHeader adds a field after the others.
func (e *Edits) AddHeader(name, value string) error {
	return e.header(ReplyAddHeader, ActionAddHeaders, "add header", -1, name, value)
}

// InsertHeader inserts a field before the index-th; 0 is before all.
func (e *Edits) InsertHeader(index int, name, value string) error {
	return e.header(ReplyInsertHeader, ActionAddHeaders, "insert header", index, name, value)
}

// ChangeHeader gives the index-th field of that name, counted from 1, another
// value. An empty one deletes it.
func (e *Edits) ChangeHeader(index int, name, value string) error {
	return e.header(ReplyChangeHeader, ActionChangeHeaders, "change header", max(index, 1), name, value)
}

// DeleteHeader deletes the index-th field of that name, counted from 1. The MTA
// counts what is left: delete from the back.
func (e *Edits) DeleteHeader(index int, name string) error {
	return e.ChangeHeader(index, name, "")
}

func (e *Edits) header(kind byte, action ActionMask, what string, index int, name, value string) error {
	if err := e.need(action, what); err != nil {
		return err
	}
	if err := checkFieldName(name); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	start := e.begin(kind)
	if kind != ReplyAddHeader {
		e.conn.out = binary.BigEndian.AppendUint32(e.conn.out, uint32(max(index, 0)))
	}
	e.conn.out = append(append(e.conn.out, name...), 0)
	e.value(value)
	e.conn.out = append(e.conn.out, 0)
	e.end(start)
	return nil
}

func checkFieldName(name string) error {
	if name == "" {
		return fmt.Errorf("empty field name")
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == ':' || c == 0x7f {
			return fmt.Errorf("field name %s", quote(name))
		}
	}
	return nil
}

// value appends a field's value as the MTA wants it: folds as LF, the leading
// blank only when the MTA does not add it.
func (e *Edits) value(v string) {
	if v == "" {
		return
	}
	v = strings.TrimPrefix(v, " ")
	if e.conn.negotiation.LeadingSpace && (v == "" || v[0] != '\t' && v[0] != '\n' && v[0] != '\r') {
		e.conn.out = append(e.conn.out, ' ')
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == 0 {
			continue
		}
		if c == '\r' || c == '\n' {
			if c == '\r' && i+1 < len(v) && v[i+1] == '\n' {
				i++
			}
			e.conn.out = append(e.conn.out, '\n')
			if i+1 >= len(v) || v[i+1] != ' ' && v[i+1] != '\t' {
				e.conn.out = append(e.conn.out, '\t')
			}
			continue
		}
		e.conn.out = append(e.conn.out, c)
	}
}

// ReplaceBody appends to the new body; the first call begins it.
func (e *Edits) ReplaceBody(body []byte) error {
	if err := e.need(ActionChangeBody, "replace body"); err != nil {
		return err
	}
	for first := true; first || len(body) > 0; first = false {
		n := min(len(body), maxBodyChunkBytes)
		start := e.begin(ReplyReplaceBody)
		e.conn.out = append(e.conn.out, body[:n]...)
		e.end(start)
		body = body[n:]
	}
	return nil
}

// AddRcpt adds a recipient, with ESMTP parameters if any are given.
func (e *Edits) AddRcpt(addr string, args ...string) error {
	if len(args) == 0 {
		return e.text(ReplyAddRcpt, ActionAddRcpt, "add recipient", addr)
	}
	return e.text(ReplyAddRcptArgs, ActionAddRcptArgs, "add recipient with parameters", addr, strings.Join(args, " "))
}

// DelRcpt removes a recipient.
func (e *Edits) DelRcpt(addr string) error {
	return e.text(ReplyDelRcpt, ActionDelRcpt, "delete recipient", addr)
}

// ChangeFrom replaces the envelope sender, with ESMTP parameters if any are given.
func (e *Edits) ChangeFrom(addr string, args ...string) error {
	if len(args) == 0 {
		return e.text(ReplyChangeFrom, ActionChangeFrom, "change sender", addr)
	}
	return e.text(ReplyChangeFrom, ActionChangeFrom, "change sender", addr, strings.Join(args, " "))
}

// Quarantine has the MTA hold the message.
func (e *Edits) Quarantine(reason string) error {
	return e.text(ReplyQuarantine, ActionQuarantine, "quarantine", reason)
}

func (e *Edits) text(kind byte, action ActionMask, what string, texts ...string) error {
	if err := e.need(action, what); err != nil {
		return err
	}
	for _, t := range texts {
		if strings.ContainsAny(t, "\x00\r\n") {
			return fmt.Errorf("%s: control character in %s", what, quote(t))
		}
	}
	start := e.begin(kind)
	for _, t := range texts {
		e.conn.out = append(append(e.conn.out, t...), 0)
	}
	e.end(start)
	return nil
}

// Progress tells the MTA at once that the filter is still at work, which starts
// its time-out anew.
func (e *Edits) Progress() error {
	return e.conn.write([]byte{0, 0, 0, 1, ReplyProgress})
}
