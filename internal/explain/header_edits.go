package explain

import (
	"slices"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/copied"
)

// collect takes in the known edits of all signed fields that cost so much.
func (h *headerSearch) collect(cost int) {
	const dearest = 6
	if h.round = cost; cost > dearest {
		return
	}
	for i, n := range h.names {
		if i >= maxNames || h.ctx.Err() != nil {
			return
		}
		if len(n.now) <= maxSame {
			h.counts(n)
			h.kept(n)
		}
		for at := range n.now {
			if at < maxSame && len(n.now[at]) <= maxField {
				h.rewritten(n, at)
			}
		}
		if len(n.now) < n.slots {
			h.removed(n)
		}
	}
}

// indexes are the places of the fields of a name, top down, without the signature itself.
func (h *headerSearch) indexes(name string) []int {
	var at []int
	for i := range h.fields.Len() {
		if i != h.own && h.fields.At(i).Is(name) {
			at = append(at, i)
		}
	}
	return at
}

// first is the value of the topmost field of a name, unfolded.
func (h *headerSearch) first(name string) string {
	f, _, ok := h.fields.First(name)
	if !ok || len(f.Raw) > maxField {
		return ""
	}
	return unfold(string(f.Value()))
}

// valueOf is what stands behind a field's colon.
func valueOf(raw string) string {
	_, value, _ := strings.Cut(raw, ":")
	return value
}

func (n *namedFields) is(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(n.name, name) })
}

// simple reports whether white space and the case of names count.
func (h *headerSearch) simple() bool {
	return h.check.signature.HeaderCanonicalization == dkim.Simple
}

// counts: fields were added, or changed places, which matters since they are signed from
// the bottom up.
func (h *headerSearch) counts(n *namedFields) {
	k := len(n.now)
	for i := range n.now {
		e := fieldEdit{code: CodeFieldAdded, args: args("is", clip(valueOf(n.now[i]), maxShown)), cost: 1, index: i}
		switch {
		case k > 1:
			e.code = CodeFieldRepeated
			e.args["number"], e.args["count"] = strconv.Itoa(i+1), strconv.Itoa(k)
		case n.is("To", "Cc") && isPlaceholder(valueOf(n.now[i])):
			e.code = CodePlaceholder
		}
		e.was = slices.Delete(slices.Clone(n.now), i, i+1)
		h.add(n, e)
	}
	if k < 2 {
		return
	}
	count := strconv.Itoa(k)
	h.add(n, fieldEdit{code: CodeFieldAdded, args: args("count", count), cost: 2, index: -1})
	order := func(cost int, from func(int) int) {
		was := make([]string, k)
		for i := range was {
			was[i] = n.now[from(i)]
		}
		h.add(n, fieldEdit{code: CodeOrder, args: args("count", count), cost: cost, index: -1, was: was})
	}
	order(2, func(i int) int { return k - 1 - i })
	for by := 1; by < k; by++ {
		order(2, func(i int) int { return (i + by) % k })
	}
	for i := range k {
		for j := range i {
			order(3, func(at int) int {
				switch at {
				case i:
					return j
				case j:
					return i
				}
				return at
			})
		}
	}
}

// isPlaceholder reports whether a list or a mail server put To in because there was none.
func isPlaceholder(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	for _, begin := range []string{"unlisted-recipients", "undisclosed-recipients", "undisclosed recipients",
		"recipient list not shown", "(no to-header on input)"} {
		if strings.HasPrefix(strings.Trim(value, `"<`), begin) {
			return true
		}
	}
	return false
}

// kept: the former value stands in another field, as polite rewriters leave it.
func (h *headerSearch) kept(n *namedFields) {
	for _, name := range []string{"X-Original-" + n.name, "Original-" + n.name, "X-Original-" + n.name + "-Header",
		"X-Google-Original-" + n.name,
		"Old-" + n.name, "X-Old-" + n.name, "X-MailFrom-" + n.name} {
		f, _, ok := h.fields.First(name)
		if !ok || len(f.Raw) > maxField {
			continue
		}
		value := string(f.Value())
		if len(n.now) == 0 {
			h.add(n, fieldEdit{code: CodeFieldRemoved, args: args("was", clip(value, maxShown), "kept", name), cost: 1, index: -1,
				was: []string{n.name + ":" + value}})
			continue
		}
		e := fieldEdit{code: CodeRewritten, cost: 1, args: wasIs(value, valueOf(n.now[0]))}
		e.args["kept"] = name
		h.replace(n, 0, value, e)
		for _, address := range addressesIn(value) { // Google Groups keeps the address alone
			for _, was := range []string{address, "<" + address + ">"} {
				e.cost = 2
				h.replace(n, 0, " "+was, e)
			}
		}
	}
}

// rewritten are the edits made to one field.
func (h *headerSearch) rewritten(n *namedFields, at int) {
	value := valueOf(n.now[at])
	switch {
	case n.is("Subject"):
		h.subject(n, at)
	case n.is("From", "Sender"):
		h.author(n, at)
		h.addresses(n, at)
	case n.is("To", "Cc", "Bcc", "Reply-To", "Resent-To", "Resent-Cc", "Resent-From", "Mail-Followup-To"):
		h.addresses(n, at)
	case n.is("Content-Transfer-Encoding"):
		for _, was := range usual["content-transfer-encoding"] {
			h.replace(n, at, " "+was, fieldEdit{code: CodeTransferEncoding, cost: 1, args: args("was", was, "is", clip(value, maxShown))})
		}
	case n.is("Content-Type"):
		h.mimeType(n, at)
	case n.is("MIME-Version"):
		for _, was := range usual["mime-version"] {
			h.replace(n, at, " "+was, fieldEdit{code: CodeRewritten, cost: 2, args: args("was", was, "is", clip(value, maxShown))})
		}
	case n.is("Date"):
		h.date(n, at)
	case n.is("Message-ID", "In-Reply-To", "References"):
		bare := strings.TrimSpace(unfold(value))
		was := strings.Trim(bare, "<>")
		if !strings.HasPrefix(bare, "<") {
			was = "<" + bare + ">"
		}
		h.replace(n, at, " "+was, fieldEdit{code: CodeRewritten, cost: 3, args: wasIs(was, value)})
	}
	if joined := joinLong([]byte(n.now[at]), " "); joined != nil {
		h.replace(n, at, valueOf(string(joined)), fieldEdit{code: CodeLongLines, cost: 1})
	}
	h.encoded(n, at)
	h.respaced(n, at)
}

// usual are values that fields mostly have, by their names in small letters.
var usual = map[string][]string{
	"mime-version": {"1.0", "1.0 (1.0)"},
	"content-transfer-encoding": {"7bit", "8bit", "quoted-printable", "base64", "binary", "8BIT", "7BIT", "Quoted-Printable",
		"QUOTED-PRINTABLE", "BASE64"},
	"content-disposition": {"inline"},
	"content-language":    {"en-US", "en-GB", "en", "de-DE", "ko", "ko-KR"},
	"precedence":          {"bulk", "list", "junk"},
	"x-priority":          {"3", "1", "3 (Normal)"},
	"importance":          {"normal", "high", "Normal"},
	"to":                  {"undisclosed-recipients:;", "undisclosed-recipients: ;", "undisclosed recipients:;"},
}

// removed: the field was there (once more) when the message was signed. What it
// said can be guessed of few fields.
func (h *headerSearch) removed(n *namedFields) {
	name := strings.ToLower(n.name)
	values := slices.Clone(usual[name])
	switch name {
	case "content-transfer-encoding":
		values = append(h.innerFields(n.name), values...)
	case "content-type":
		values = h.innerFields(n.name)
		for _, params := range textParams {
			values = append(values, "text/plain"+params)
		}
	case "subject":
		for _, reply := range append([]string{""}, replies...) {
			values = append(values, reply+h.first("Thread-Topic")) // Exchange keeps it there
		}
	case "in-reply-to":
		if ids := strings.Fields(h.first("References")); len(ids) > 0 {
			values = ids[len(ids)-1:]
		}
	case "references":
		values = []string{h.first("In-Reply-To")}
	case "to", "cc", "reply-to", "sender", "return-path":
		values = append(values, h.readers(n)...)
	}
	if len(values) == 0 {
		values = []string{""}
	}
	for i, v := range values {
		raw := strings.TrimRight(n.name+": "+v, " ")
		e := fieldEdit{code: CodeFieldRemoved, args: args("was", clip(v, maxShown)), cost: 1 + min(i/4, 2), index: -1}
		e.was = append(slices.Clone(n.now), raw)
		h.add(n, e)
		if len(n.now) > 0 {
			e.was = append([]string{raw}, n.now...)
			h.add(n, e)
		}
	}
}

// wasIs are the arguments of a value that was and of that which is, cut short.
func wasIs(was, is string) map[string]string {
	return args("was", clip(was, maxShown), "is", clip(is, maxShown))
}

// copied compares with z=, and proves the differences it finds.
func (h *headerSearch) copied() []Cause {
	found := copiedCauses(h.fields, h.check.signature)
	fields, own := h.fields, string(h.fields.At(h.own).Raw)
	for i := range found {
		c := &found[i]
		if c.Was+c.Is == "" {
			return nil
		}
		fields = undone(fields, own, *c)
	}
	if found == nil || !h.confirmed(fields) {
		return nil
	}
	for i := range found {
		found[i].Proved = true
	}
	return found
}

// copiedCauses tells how the header differs from the signer's copy of it (z=).
func copiedCauses(fields *header.List, s *dkim.Signature) []Cause {
	differences, err := copied.Compare(s, fields)
	if err != nil {
		return []Cause{{Part: partSignature, Code: CodeCopiedHeaders, Args: args("detail", err.Error())}}
	}
	var found []Cause
	for _, d := range differences {
		c := Cause{Part: PartHeader, Field: d.Name, Args: args("is", clip(d.Now, maxShown), "was", clip(d.Then, maxShown), "from", "z")}
		switch d.Kind {
		case copied.Added:
			c.Code = CodeFieldAdded
		case copied.Removed:
			c.Code = CodeFieldRemoved
		case copied.Changed:
			c.Code = CodeFieldChanged
		}
		if d.Index >= 0 {
			c.Is = string(fields.At(d.Index).Raw)
		}
		if d.Kind != copied.Added {
			c.Was = d.Name + ":" + d.Then
		}
		found = append(found, c)
	}
	return found
}
