package milter

import (
	"bytes"
	"strings"
)

// startsField reports whether a message begins with a field's name and a colon. A line
// that does not, empty or not, ends the header, as it does for Postfix.
func startsField(raw []byte) bool {
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	name, _, found := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	return found && len(name) > 0 && !bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// withoutFromLine is a message without the "From " line that it has in a mailbox file.
func withoutFromLine(raw []byte) []byte {
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	return raw
}

// nextField takes a header field off a message: the field with its folds but
// without its final line break; nil at the end of the header.
func nextField(raw []byte) (field, rest []byte) {
	if !startsField(raw) {
		return nil, raw
	}
	end := 0
	for {
		n := bytes.IndexByte(raw[end:], '\n')
		if n < 0 {
			return raw, nil
		}
		end += n + 1
		if end == len(raw) || raw[end] != ' ' && raw[end] != '\t' {
			break
		}
	}
	return bytes.TrimSuffix(raw[:end-1], []byte("\r")), raw[end:]
}

// bodyOf is what follows the header and its empty line.
func bodyOf(raw []byte) []byte {
	raw = withoutFromLine(raw)
	for {
		field, rest := nextField(raw)
		if field == nil {
			break
		}
		raw = rest
	}
	if rest, ok := bytes.CutPrefix(raw, []byte("\r\n")); ok {
		return rest
	}
	return bytes.TrimPrefix(raw, []byte("\n"))
}

// Apply returns the message as Postfix makes it from the edits, in their order:
// an inserted field goes before the index-th there is at that moment, or after
// the last, where Postfix counts the Received field it makes itself as the first
// (so 0 is above it and 1 below); message is without that one. Changing or
// deleting counts the fields of that name there are at that moment, and changing one that
// is not there adds it. Edits of the envelope do nothing. The message's own line ends are
// kept. Its header ends before the first line that is no field, as for Client.Send.
func Apply(message []byte, edits []Edit) []byte {
	newline := "\n"
	if n := bytes.IndexByte(message, '\n'); n > 0 && message[n-1] == '\r' {
		newline = "\r\n"
	}
	fields := []string{ownReceived}
	rest := withoutFromLine(message)
	for {
		field, next := nextField(rest)
		if field == nil {
			break
		}
		fields = append(fields, string(field))
		rest = next
	}
	body, replaced := bodyOf(message), false
	for _, e := range edits {
		if e.Kind == ReplyReplaceBody {
			if !replaced {
				body, replaced = nil, true
			}
			body = append(body[:len(body):len(body)], e.Value...)
			continue
		}
		fields = applyToFields(fields, e, newline)
	}
	var b bytes.Buffer
	for _, f := range fields {
		if f == ownReceived {
			continue
		}
		b.WriteString(f)
		b.WriteString(newline)
	}
	b.WriteString(newline)
	b.Write(body)
	return b.Bytes()
}

// ownReceived stands for the field Postfix makes, which no edit changes.
const ownReceived = ""

func applyToFields(fields []string, e Edit, newline string) []string {
	line := e.Name + ":" + strings.ReplaceAll(strings.ReplaceAll(e.Value, "\r\n", "\n"), "\n", newline)
	switch e.Kind {
	case ReplyAddHeader:
		return append(fields, line)
	case ReplyInsertHeader:
		at := int(min(uint64(e.Index), uint64(len(fields)))) // an index may exceed an int
		fields = append(fields, "")
		copy(fields[at+1:], fields[at:])
		fields[at] = line
	case ReplyChangeHeader:
		count := uint32(0)
		for i, f := range fields {
			name, _, _ := strings.Cut(f, ":")
			if f == ownReceived || !strings.EqualFold(strings.TrimRight(name, " \t"), e.Name) {
				continue
			}
			if count++; count != max(e.Index, 1) {
				continue
			}
			if e.Value == "" {
				return append(fields[:i], fields[i+1:]...)
			}
			fields[i] = line
			return fields
		}
		if e.Value != "" {
			return append(fields, line)
		}
	}
	return fields
}
