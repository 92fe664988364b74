package script

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"dojang/internal/plain"
	"dojang/internal/policy"
	"dojang/internal/statistics"
)

// finalFunctions decide what becomes of the message.
var finalFunctions = []function{
	{name: "add_header", hooks: Final, arguments: "css", minimum: 3, do: addHeader},
	{name: "del_header", hooks: Final, arguments: "csn", minimum: 3, do: delHeader},
	{name: "add_rcpt", hooks: Final, arguments: "cs", minimum: 2, atLoad: standInNumber(1), do: addRcpt},
	{name: "del_rcpt", hooks: Final, arguments: "cs", minimum: 2, atLoad: standInNumber(1), do: delRcpt},
	{name: "delete_rcpt", hooks: Final, arguments: "cs", minimum: 2, atLoad: standInNumber(1), do: delRcpt},
	{name: "quarantine", hooks: Final, arguments: "cs", minimum: 2, atLoad: standInNumber(1), do: quarantine},
	{name: "set_reply", hooks: Final, arguments: "csss", minimum: 4, atLoad: standInNumber(1), do: setReply},
	{name: "rbl_check", hooks: Statistics | Final, arguments: "cssn", minimum: 3, do: rblCheck},
	{name: "stats", hooks: Statistics, arguments: "css", minimum: 3, do: stats},
}

func (c *call) edit(e policy.Edit) []lua.LValue {
	c.meter.allocate(c.l, len(e.Name)+len(e.Value))
	c.message.Edits = append(c.message.Edits, e)
	return success(true)
}

// withBlank begins a field's value with a blank, where the MTA wants one.
func withBlank(value string) string {
	if strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\t") {
		return value
	}
	return " " + value
}

func addHeader(c *call) []lua.LValue {
	name, value := c.text(2), strings.ReplaceAll(c.text(3), "\r\n", "\n")
	if !isFieldName(name) || !isFieldValue(value) {
		return none()
	}
	return c.edit(policy.Edit{Op: policy.InsertField, Name: name, Value: withBlank(value)})
}

func delHeader(c *call) []lua.LValue {
	fields := c.message.Facts.Fields
	c.meter.spend(c.l, fields.Len()/8)
	index, number := instance(fields, c.text(2), c.number(3))
	if index < 0 {
		return none()
	}
	return c.edit(policy.Edit{Op: policy.DeleteField, Index: number + 1, Name: c.text(2)})
}

// isAddress keeps what is no address from reaching the MTA's command stream.
func isAddress(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func addRcpt(c *call) []lua.LValue {
	if !isAddress(c.text(2)) {
		return none()
	}
	return c.edit(policy.Edit{Op: policy.AddRecipient, Value: c.text(2)})
}

// delRcpt deletes a recipient of the envelope and notes it in the header.
// Compat(opendkim 2.11): capitals do not matter, and the field is not the one
// that the manual names.
func delRcpt(c *call) []lua.LValue {
	for _, recipient := range c.message.Facts.Recipients {
		if !strings.EqualFold(recipient, c.text(2)) {
			continue
		}
		c.edit(policy.Edit{Op: policy.DeleteRecipient, Value: recipient})
		return c.edit(policy.Edit{Op: policy.AppendField, Name: "Original-Recipient", Value: " rfc822;" + plain.Line(recipient)})
	}
	return none()
}

func quarantine(c *call) []lua.LValue {
	reason := plain.Line(c.text(2))
	if reason == "" {
		reason = "opendkim"
	}
	c.message.Quarantine = reason
	return success(true)
}

// setReply gives the words of a refusal; that there is one, set_result says.
func setReply(c *call) []lua.LValue {
	code, status, text := c.text(2), c.text(3), c.text(4)
	if len(code) != 3 || code[0] != '4' && code[0] != '5' || !isDigit(code[1]) || !isDigit(code[2]) ||
		status != "" && !isStatus(status, code[0]) || strings.ContainsAny(text, "\r\n\x00") || len(text) > policy.MaxReplyTextBytes {
		return none()
	}
	r := &c.message.Reply
	r.Code = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	r.Status = status
	r.Text = strings.Map(func(c rune) rune { // as it goes over the wire
		if c == utf8.RuneError {
			return '?'
		}
		return c
	}, plain.Line(text))
	return success(true)
}

// isStatus checks an enhanced status code (RFC 3463 §2).
func isStatus(s string, class byte) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != string(class) {
		return false
	}
	for _, p := range parts {
		if len(p) < 1 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

// rblCheck looks a name up in a DNS list. It returns the four octets of the
// entry, nothing when there is none, nil when nobody could say.
func rblCheck(c *call) []lua.LValue {
	lookup := c.message.LookupA
	if lookup == nil {
		return none()
	}
	ctx := c.ctx
	if c.has(4) {
		timeout := lua.LVAsNumber(c.l.Get(4))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(max(0, min(float64(timeout), 3600))*float64(time.Second)))
		defer cancel()
	}
	addresses, err := lookup(ctx, c.text(2)+"."+strings.TrimPrefix(c.text(3), "."))
	var missing interface{ NotFound() bool }
	if errors.As(err, &missing) && missing.NotFound() || err == nil && len(addresses) == 0 {
		return nil
	}
	if err != nil {
		return none()
	}
	octets := addresses[0].Unmap().As4()
	values := make([]lua.LValue, len(octets))
	for i, o := range octets {
		values[i] = lua.LNumber(o)
	}
	return values
}

func stats(c *call) []lua.LValue {
	c.meter.allocate(c.l, len(c.text(2))+len(c.text(3)))
	c.message.Statistics = append(c.message.Statistics, statistics.Figure{Name: c.text(2), Value: c.text(3)})
	return success(true)
}
