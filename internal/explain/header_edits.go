package explain

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"regexp"
	"strings"

	"dojang/dkim"
)

// edits are the known edits of header fields, for this header.
func (h *headerSearch) edits() []fieldEdit {
	var edits []fieldEdit
	seen := map[string]bool{}
	names := h.check.signature.Headers
	for _, name := range names {
		lower := strings.ToLower(name)
		if seen[lower] {
			continue
		}
		seen[lower] = true
		at := h.indexes(name)
		edits = append(edits, h.added(name, at)...)
		edits = append(edits, h.reordered(name, at)...)
		edits = append(edits, h.original(name, at)...)
		for _, i := range at {
			edits = append(edits, h.rewritten(name, i)...)
		}
		edits = append(edits, h.removed(name, at)...)
	}
	var signed []int
	for i := range h.fields.Len() {
		if i != h.own && seen[strings.ToLower(h.name(i))] {
			signed = append(signed, i)
		}
	}
	edits = append(edits, h.refolded(signed))
	for _, i := range signed {
		edits = append(edits, h.respaced(i)...)
	}
	return h.distinct(edits)
}

// distinct drops edits that canonicalization forgives anyway, and those that
// say what one before them says.
func (h *headerSearch) distinct(edits []fieldEdit) []fieldEdit {
	c := h.check.signature.HeaderCanonicalization
	seen := map[string]bool{}
	kept := edits[:0]
	for _, e := range edits {
		var key []byte
		differs := false
		for _, change := range e.changes {
			key = append(key, fmt.Sprintf("%d:", change.index)...)
			start := len(key)
			if change.raw != "" {
				key = dkim.AppendHeader(key, []byte(change.raw), c)
			}
			if change.index < 0 || !bytes.Equal(key[start:], dkim.AppendHeader(nil, h.fields.At(change.index).Raw, c)) {
				differs = true
			}
		}
		if differs && !seen[string(key)] {
			seen[string(key)] = true
			kept = append(kept, e)
		}
	}
	return kept
}

// indexes are the fields of a name, top down, without the signature itself.
func (h *headerSearch) indexes(name string) []int {
	var at []int
	for i := range h.fields.Len() {
		if i != h.own && h.fields.At(i).Is(name) {
			at = append(at, i)
		}
	}
	return at
}

func (h *headerSearch) name(i int) string  { return string(h.fields.At(i).Name()) }
func (h *headerSearch) value(i int) string { return string(h.fields.At(i).Value()) }

func (h *headerSearch) replace(code, text string, i int, value string) fieldEdit {
	return fieldEdit{code: code, field: h.name(i), text: text, changes: []change{{i, h.name(i) + ":" + value}}}
}

// added: the field was not there, or not so often.
func (h *headerSearch) added(name string, at []int) []fieldEdit {
	const most = 6
	var edits []fieldEdit
	for n, i := range at[:min(len(at), most)] {
		text := fmt.Sprintf("%s was added after signing: %s", h.name(i), quote(h.value(i)))
		code := "field-added"
		if len(at) > 1 {
			code = "field-repeated"
			text = fmt.Sprintf("%s was repeated; the added one is number %d of %d: %s", h.name(i), n+1, len(at), quote(h.value(i)))
		}
		edits = append(edits, fieldEdit{code: code, field: h.name(i), text: text, changes: []change{{i, ""}}, onList: true})
	}
	if len(at) > 1 && len(at) <= most {
		var all []change
		for _, i := range at {
			all = append(all, change{i, ""})
		}
		edits = append(edits, fieldEdit{code: "field-added", field: name, text: fmt.Sprintf("all %d %s fields were added after signing", len(at), name), changes: all})
	}
	return edits
}

// reordered: several fields of one name changed places, which matters since
// they are signed from the bottom up.
func (h *headerSearch) reordered(name string, at []int) []fieldEdit {
	if len(at) < 2 || len(at) > 8 {
		return nil
	}
	order := func(from func(n int) int) fieldEdit {
		e := fieldEdit{code: "order", field: name, text: fmt.Sprintf("the %d %s fields changed their order", len(at), name)}
		for n, i := range at {
			e.changes = append(e.changes, change{i, string(h.fields.At(at[from(n)]).Raw)})
		}
		return e
	}
	k := len(at)
	edits := []fieldEdit{order(func(n int) int { return k - 1 - n })}
	if k > 2 {
		edits = append(edits, order(func(n int) int { return (n + 1) % k }), order(func(n int) int { return (n + k - 1) % k }))
	}
	return edits
}

// original: the former value was kept in another field, as polite rewriters do.
func (h *headerSearch) original(name string, at []int) []fieldEdit {
	var edits []fieldEdit
	for _, kept := range []string{"X-Original-" + name, "Original-" + name, "X-Original-" + name + "-Header", "X-Google-Original-" + name, "Old-" + name, "X-Old-" + name} {
		f, _, ok := h.fields.First(kept)
		if !ok {
			continue
		}
		value := string(f.Value())
		if len(at) > 0 {
			e := h.replace("rewritten", fmt.Sprintf("%s was rewritten to %s; %s keeps what it was", h.name(at[0]), quote(h.value(at[0])), kept), at[0], value)
			e.onList = true
			edits = append(edits, e)
		} else {
			edits = append(edits, fieldEdit{code: "field-removed", field: name, text: fmt.Sprintf("%s was renamed to %s", name, kept), changes: []change{{-1, name + ":" + value}}})
		}
	}
	return edits
}

// rewritten are the edits made to fields of this name.
func (h *headerSearch) rewritten(name string, i int) []fieldEdit {
	var edits []fieldEdit
	switch strings.ToLower(name) {
	case "subject":
		edits = h.subject(i)
	case "from", "sender":
		edits = h.author(i)
	case "content-transfer-encoding":
		for _, was := range []string{"8bit", "7bit", "quoted-printable", "base64", "binary", "8BIT", "7BIT"} {
			edits = append(edits, h.replace("transfer-encoding", fmt.Sprintf("the transfer encoding was changed from %s to %s", was, strings.TrimSpace(h.value(i))), i, " "+was))
		}
	case "content-type":
		edits = h.mimeType(i)
	case "mime-version":
		edits = append(edits, h.replace("rewritten", "MIME-Version was rewritten", i, " 1.0"))
	case "date":
		edits = h.date(i)
	}
	for k := range edits {
		edits[k].onList = true
	}
	return append(edits, h.encoded(i)...)
}

var (
	bracketTag = regexp.MustCompile(`[\[({][^\])}]{1,60}[\])}]:?[ \t]*`)
	starTag    = regexp.MustCompile(`\*{2,}[^*]{1,40}\*{2,}:?[ \t]*`)
	wordTag    = regexp.MustCompile(`(?i)\b(external|spam|caution|warning|ext|suspect|junk|virus)\b[ \t]*[:!-]+[ \t]*`)
)

// subject: tags of lists, virus scanners and "external" warnings.
func (h *headerSearch) subject(i int) []fieldEdit {
	value := h.value(i)
	flat := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(value)
	var edits []fieldEdit
	for _, form := range []string{value, flat} {
		for _, tag := range []*regexp.Regexp{bracketTag, starTag, wordTag} {
			for _, at := range tag.FindAllStringIndex(form, 8) {
				text := fmt.Sprintf("the tag %s was put into the Subject", quote(form[at[0]:at[1]]))
				for _, was := range []string{form[:at[0]] + form[at[1]:], strings.TrimRight(form[:at[0]], " ") + form[at[1]:]} {
					edits = append(edits, h.replace("subject-tag", text, i, was))
				}
				// "Re: [tag] Re: x" was "Re: x".
				if rest := strings.TrimSpace(form[at[1]:]); len(rest) > 3 && strings.EqualFold(rest[:3], "re:") {
					edits = append(edits, h.replace("subject-tag", text, i, " "+rest))
				}
			}
		}
	}
	for _, prefix := range []string{"Re: ", "RE: ", "Fwd: ", "FW: ", "Fw: "} {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(flat, " "), prefix); ok {
			edits = append(edits, h.replace("subject-tag", fmt.Sprintf("%q was put before the Subject", prefix), i, " "+rest))
		}
	}
	return edits
}

// author: From of somebody else, as lists write it for DMARC's sake. The real
// one is often in another field.
func (h *headerSearch) author(i int) []fieldEdit {
	now := quote(h.value(i))
	text := fmt.Sprintf("%s was rewritten to %s, as mailing lists do against DMARC", h.name(i), now)
	var edits []fieldEdit
	add := func(value string) {
		if value = strings.TrimSpace(value); value != "" {
			edits = append(edits, h.replace("from-rewritten", text, i, " "+value))
		}
	}
	display := displayName(h.value(i))
	for _, cut := range []string{" via ", " (via ", "' via ", "\" via "} {
		if before, _, ok := strings.Cut(display, cut); ok {
			display = strings.Trim(before, `'"`)
			break
		}
	}
	for _, source := range []string{"Reply-To", "Cc", "Sender", "Return-Path", "X-Envelope-From", "Mail-Followup-To", "From"} {
		for _, at := range h.indexes(source) {
			if at == i {
				continue
			}
			add(h.value(at))
			for _, address := range addressesIn(h.value(at)) {
				add(address)
				add("<" + address + ">")
				if display != "" {
					add(display + " <" + address + ">")
					add(`"` + display + `" <` + address + ">")
				}
			}
		}
	}
	return edits
}

// displayName is what stands before the address, without quotes.
func displayName(value string) string {
	before, _, ok := strings.Cut(value, "<")
	if !ok {
		return ""
	}
	return strings.Trim(strings.TrimSpace(unfold(before)), `"`)
}

var addressPattern = regexp.MustCompile(`[^\s<>,;:"()]+@[^\s<>,;:"()]+`)

func addressesIn(value string) []string {
	const most = 4
	return addressPattern.FindAllString(value, most)
}

// mimeType: quotes around parameters, their case, blanks between them.
func (h *headerSearch) mimeType(i int) []fieldEdit {
	value := unfold(h.value(i))
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		return nil
	}
	var edits []fieldEdit
	add := func(was string) {
		edits = append(edits, h.replace("rewritten", fmt.Sprintf("Content-Type was rewritten to %s", quote(value)), i, " "+was))
	}
	unquoted := strings.ReplaceAll(value, `"`, "")
	for _, form := range []string{value, unquoted, quoteParams(value)} {
		add(form)
		add(strings.ReplaceAll(form, "; ", ";"))
		add(strings.ReplaceAll(form, ";", "; "))
		for _, charset := range []string{"utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1"} {
			if has := params["charset"]; has != "" && strings.HasPrefix(kind, "text/") {
				add(strings.Replace(form, has, charset, 1))
			}
		}
	}
	if strings.HasPrefix(kind, "text/") {
		add(kind)
		add(kind + "; charset=utf-8")
		add(kind + "; charset=us-ascii")
	}
	return edits
}

var bareParam = regexp.MustCompile(`=([^";\s]+)`)

func quoteParams(value string) string { return bareParam.ReplaceAllString(value, `="$1"`) }

// date: another way to write the same time.
func (h *headerSearch) date(i int) []fieldEdit {
	t, err := mail.ParseDate(unfold(h.value(i)))
	if err != nil {
		return nil
	}
	var edits []fieldEdit
	for _, layout := range []string{
		"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 GMT",
		"Mon, 2 Jan 2006 15:04:05 -0700 (MST)", "2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 06 15:04:05 -0700",
	} {
		edits = append(edits, h.replace("rewritten", "Date was written anew", i, " "+t.Format(layout)), h.replace("rewritten", "Date was written anew", i, " "+t.UTC().Format(layout)))
	}
	return edits
}

// encoded: encoded words (RFC 2047) were made or taken apart.
func (h *headerSearch) encoded(i int) []fieldEdit {
	value := unfold(h.value(i))
	var edits []fieldEdit
	add := func(was string) {
		edits = append(edits, h.replace("encoding", fmt.Sprintf("%s was encoded anew (RFC 2047)", h.name(i)), i, " "+was))
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return nil
	}
	if decoded != value {
		add(decoded)
	}
	if decoded != value || !isASCII(value) {
		add(mime.QEncoding.Encode("utf-8", decoded))
		add(mime.BEncoding.Encode("utf-8", decoded))
		add(mime.QEncoding.Encode("UTF-8", decoded))
		add(mime.BEncoding.Encode("UTF-8", decoded))
	}
	return edits
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// removed: the field was there (once more) when the message was signed. What it
// said can be guessed of few fields.
func (h *headerSearch) removed(name string, at []int) []fieldEdit {
	if h.check.signature.Covers(name) <= len(at) {
		return nil
	}
	var values []string
	switch strings.ToLower(name) {
	case "mime-version":
		values = []string{"1.0", "1.0 (1.0)"}
	case "content-transfer-encoding":
		values = []string{"7bit", "8bit", "quoted-printable", "base64", "binary"}
	case "content-type":
		values = []string{"text/plain; charset=utf-8", `text/plain; charset="utf-8"`, "text/plain; charset=UTF-8", "text/plain; charset=us-ascii", "text/plain", "text/plain; charset=utf-8; format=flowed"}
	case "content-disposition":
		values = []string{"inline"}
	case "content-language":
		values = []string{"en-US", "en-GB", "en", "de-DE", "ko", "ko-KR"}
	case "precedence":
		values = []string{"bulk", "list", "junk"}
	case "x-priority":
		values = []string{"3", "1"}
	case "to":
		values = []string{"undisclosed-recipients:;", "undisclosed-recipients: ;"}
	case "reply-to", "sender", "return-path":
		if f, _, ok := h.fields.Last("From"); ok {
			values = append(values, strings.TrimSpace(string(f.Value())))
			for _, address := range addressesIn(string(f.Value())) {
				values = append(values, address, "<"+address+">")
			}
		}
	default:
		values = []string{""}
	}
	var edits []fieldEdit
	for _, v := range values {
		edits = append(edits, fieldEdit{code: "field-removed", field: name, onList: true,
			text: fmt.Sprintf("%s was removed; it was %s", name, quote(v)), changes: []change{{-1, strings.TrimRight(name+": "+v, " ")}}})
	}
	return edits
}
