package explain

import (
	"regexp"
	"slices"
	"strings"
)

// mailbox is one member of a list of addresses, as it is written.
type mailbox struct{ raw, name, address string }

// maxPermuted is how many addresses are tried in all orders, and maxMailboxes how many a
// list may have of which one is taken out or put in.
const maxPermuted, maxMailboxes = 6, 40

// mailboxes takes a list of addresses apart at commas outside quotes, comments and angles.
func mailboxes(value string) []mailbox {
	var list []mailbox
	quoted, depth, start := false, 0, 0
	flush := func(end int) {
		if raw := strings.TrimSpace(value[start:end]); raw != "" {
			list = append(list, newMailbox(raw))
		}
		start = end + 1
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '<':
			depth++
		case c == ')' || c == '>':
			depth = max(0, depth-1)
		case c == ',' && depth == 0:
			flush(i)
		}
	}
	flush(len(value))
	return list
}

func newMailbox(raw string) mailbox {
	m := mailbox{raw: raw, address: raw}
	if name, rest, ok := strings.Cut(raw, "<"); ok {
		m.name = strings.TrimSpace(name)
		m.address, _, _ = strings.Cut(rest, ">")
	} else if address, comment, ok := strings.Cut(raw, "("); ok {
		m.address, m.name = strings.TrimSpace(address), strings.TrimSuffix(strings.TrimSpace(comment), ")")
	}
	return m
}

// bare is the name without quotes.
func (m mailbox) bare() string {
	if len(m.name) > 1 && m.name[0] == '"' && m.name[len(m.name)-1] == '"' {
		return strings.ReplaceAll(strings.ReplaceAll(m.name[1:len(m.name)-1], `\"`, `"`), `\\`, `\`)
	}
	return m.name
}

// styles are the ways to write a mailbox, the first as it is.
var styles = [...]func(mailbox) string{
	func(m mailbox) string { return m.raw },
	func(m mailbox) string { // Sendmail, Python and Exchange quote names
		if m.name == "" {
			return m.raw
		}
		return m.bare() + " <" + m.address + ">"
	},
	func(m mailbox) string { // Python's and Exchange's take quotes off
		if m.name == "" || strings.HasPrefix(m.name, "=?") {
			return m.raw
		}
		return `"` + m.bare() + `" <` + m.address + ">"
	},
	func(m mailbox) string { // Python writes <a@b> as a@b
		if m.name == "" {
			return "<" + m.address + ">"
		}
		return m.raw
	},
	func(m mailbox) string {
		if m.name == "" {
			return m.address
		}
		return m.raw
	},
	func(m mailbox) string { // Exchange names a bare address by itself
		if strings.EqualFold(strings.Trim(m.bare(), "'"), m.address) {
			return m.address
		}
		return m.raw
	},
	func(m mailbox) string { // Python writes a@b (Name) as Name <a@b>
		if m.name == "" {
			return m.raw
		}
		return m.address + " (" + m.bare() + ")"
	},
	func(m mailbox) string { return m.address },
	func(m mailbox) string { return "<" + m.address + ">" },
}

func joined(list []mailbox, style int, separator string) string {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = styles[style](m)
	}
	return strings.Join(texts, separator)
}

// addresses: a list of addresses was written anew, as Mailman, Sendmail and Exchange do.
func (h *headerSearch) addresses(n *namedFields, at int) {
	value := unfold(valueOf(n.now[at]))
	list := mailboxes(value)
	if len(list) == 0 || len(list) > maxMailboxes {
		return
	}
	add := func(cost int, how string, list []mailbox, style int, about string) {
		if h.round < cost || h.round > cost+2 {
			return
		}
		for i, separator := range []string{", ", ",", " , "} {
			if i > 0 && (len(list) < 2 || cost > 2) {
				break
			}
			was := joined(list, style, separator)
			h.lay(n, at, was, fieldEdit{code: CodeAddresses, cost: cost + min(i, 1),
				args: args("how", how, "about", about, "was", clip(was, maxShown), "is", clip(value, maxShown))})
		}
	}
	for style := range styles {
		add(1+min(style/3, 1), "written", list, style, "")
	}
	for i, m := range list {
		if len(list) > 1 {
			add(2, "added", slices.Concat(list[:i], list[i+1:]), 0, m.address)
		}
	}
	whole, each := h.cased(list)
	for _, c := range whole {
		add(2+min(len(list)-1, 1), "case", c, 0, "")
	}
	for _, c := range each {
		add(4, "case", c, 0, "")
	}
	dresses := dressed(list)
	for _, d := range dresses {
		add(2, "written", d, 0, "")
	}
	if h.round == 3 {
		h.mixed(n, at, list)
	}
	h.dropped(list, dresses, add)
	if len(list) > 1 && len(list) <= maxPermuted && h.round >= 3 {
		permuted(list, func(order []mailbox) { add(3, "order", order, 0, "") })
		for _, d := range dresses {
			permuted(d, func(order []mailbox) { add(4+len(list)/5, "order", order, 0, "") })
		}
	}
}

// cased are lists of the same mailboxes with other capital letters in all addresses, and in
// each one: as the message has them elsewhere, or as people write them.
func (h *headerSearch) cased(list []mailbox) (whole, each [][]mailbox) {
	for _, spell := range []func(local, domain string) string{
		func(local, domain string) string { return local + "@" + strings.ToLower(domain) },
		func(local, domain string) string { return strings.ToLower(local + "@" + domain) },
		func(local, domain string) string { return titled(local) + "@" + domain },
		func(local, domain string) string { return local + "@" + titled(domain) },
		func(local, domain string) string { return local + "@" + strings.ToUpper(domain[:1]) + domain[1:] },
		func(local, domain string) string {
			return titled(local) + "@" + strings.ToUpper(domain[:1]) + domain[1:]
		},
		func(local, domain string) string { return titled(local) + "@" + titled(domain) },
		func(local, domain string) string { return strings.ToUpper(local) + "@" + domain },
		func(local, domain string) string { return local + "@" + strings.ToUpper(domain) },
		func(local, domain string) string { return strings.ToUpper(local + "@" + domain) },
		func(local, domain string) string {
			for _, m := range h.people() {
				if address := local + "@" + domain; m.address != address && strings.EqualFold(m.address, address) {
					return m.address
				}
			}
			return local + "@" + domain
		},
	} {
		all := slices.Clone(list)
		for i, m := range list {
			if local, domain, ok := strings.Cut(m.address, "@"); ok && domain != "" {
				if was := spell(local, domain); was != m.address {
					all[i] = newMailbox(strings.Replace(m.raw, m.address, was, 1))
					each = append(each, slices.Concat(list[:i], all[i:i+1], list[i+1:]))
				}
			}
		}
		whole = append(whole, all)
	}
	return whole, each
}

// mixed: each comma of a list was followed by something of its own, before Sendmail made
// all of them alike.
func (h *headerSearch) mixed(n *namedFields, at int, list []mailbox) {
	const most = 1024
	separators := []string{", ", ","}
	if h.simple() {
		separators = []string{", ", ",", ",\r\n ", ",\r\n\t", ",\r\n        "}
	}
	for style := range 3 {
		texts := []string{" " + styles[style](list[0])}
		for _, m := range list[1:] {
			var longer []string
			for _, separator := range separators {
				for _, t := range texts {
					longer = append(longer, t+separator+styles[style](m))
				}
			}
			if texts = longer; len(texts) > most {
				return
			}
		}
		for _, t := range texts {
			e := fieldEdit{code: CodeAddresses, cost: 3, args: wasIs(t, valueOf(n.now[at]))}
			e.args["how"] = "written"
			h.replace(n, at, t, e)
		}
	}
}

// dressed are lists of the same mailboxes of which some are written otherwise: names with
// quotes or without, and bare addresses in angles.
func dressed(list []mailbox) [][]mailbox {
	const most = 64
	all := [][]mailbox{slices.Clone(list)}
	for i, m := range list {
		var other mailbox
		for _, style := range []int{1, 2, 3, 4} {
			if o := newMailbox(styles[style](m)); o.raw != m.raw {
				other = o
				break
			}
		}
		if other.raw == "" {
			continue
		}
		for _, d := range all {
			if len(all) < most {
				d = slices.Clone(d)
				d[i] = other
				all = append(all, d)
			}
		}
	}
	return all[1:]
}

// dropped: a duplicate, or the address of somebody who had a copy, was left out of a list.
func (h *headerSearch) dropped(list []mailbox, dresses [][]mailbox,
	add func(cost int, how string, list []mailbox, style int, about string)) {
	insert := func(cost int, how string, m mailbox) {
		for i := 0; i <= len(list); i++ {
			longer := slices.Concat(list[:i], []mailbox{m}, list[i:])
			add(cost, how, longer, 0, m.address)
			for _, d := range dresses[:min(len(dresses), 16)] {
				add(cost+1, how, slices.Concat(d[:i], []mailbox{m}, d[i:]), 0, m.address)
			}
			if len(list) <= 3 && h.round >= cost+2 {
				permuted(longer, func(order []mailbox) { add(cost+2, how, order, 0, m.address) })
			}
		}
	}
	for _, m := range list {
		insert(2, "repeated", m)
		if m.name != "" { // the last of the names wins
			insert(3, "repeated", newMailbox(m.address))
			insert(3, "repeated", newMailbox("<"+m.address+">"))
		}
	}
	for i, m := range h.people() {
		if !slices.ContainsFunc(list, func(o mailbox) bool { return strings.EqualFold(o.address, m.address) }) {
			insert(2+min(i/4, 2), "dropped", m)
		}
	}
}

// permuted calls f with all orders of a list but its own.
func permuted[T comparable](list []T, f func([]T)) {
	order := slices.Clone(list)
	var permute func(k int)
	permute = func(k int) {
		if k == len(order) {
			if !slices.Equal(order, list) {
				f(order)
			}
			return
		}
		for i := k; i < len(order); i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}

var (
	addressPattern = regexp.MustCompile(`[^\s<>,;:"()=]+@[^\s<>,;:"()]+`)
	receivedFor    = regexp.MustCompile(`(?i)\bfor\s+<?([^\s<>;]+@[^\s<>;]+)`)
)

func addressesIn(value string) []string {
	const most = 4
	return addressPattern.FindAllString(value, most)
}

// people are those that a list may have left out, the reader first, with each of their
// names that the message knows, and without.
func (h *headerSearch) people() []mailbox {
	if h.persons != nil {
		return h.persons
	}
	const most = 24
	known := map[string]bool{}
	add := func(m mailbox) {
		if key := strings.ToLower(m.raw); m.address != "" && strings.Contains(m.address, "@") && !known[key] && len(known) < most {
			known[key] = true
			h.persons = append(h.persons, m)
		}
	}
	var named []mailbox
	for _, name := range []string{"To", "Cc", "From", "Reply-To", "X-Original-From", "Mail-Followup-To"} {
		named = append(named, mailboxes(h.first(name))...)
	}
	reader := func(address string) {
		for _, m := range named {
			if strings.EqualFold(m.address, address) {
				add(m)
			}
		}
		add(newMailbox(address))
		add(newMailbox("<" + address + ">"))
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-RcptTo", "X-Forwarded-To",
		"Original-Recipient"} {
		for _, address := range addressesIn(h.first(name)) {
			reader(address)
		}
	}
	for i := range min(h.fields.Len(), 60) {
		if f := h.fields.At(i); f.Is("Received") && len(f.Raw) < maxField {
			if found := receivedFor.FindStringSubmatch(string(f.Value())); found != nil {
				reader(found[1])
			}
		}
	}
	for _, name := range []string{"Return-Path", "Sender"} { // VERP: list-bounces+joe=example.com@lists...
		if _, rest, ok := strings.Cut(h.first(name), "+"); ok {
			if local, domain, ok := strings.Cut(strings.SplitN(rest, "@", 2)[0], "="); ok {
				reader(local + "@" + domain)
			}
		}
	}
	for _, m := range named {
		add(m)
	}
	for _, line := range strings.SplitN(string(h.body[:min(len(h.body), 4<<10)]), "\n", 60) { // "Joe <joe@example.com> wrote:"
		if strings.Contains(line, "wrote:") || strings.HasPrefix(line, "From:") {
			for _, address := range addressesIn(line) {
				reader(address)
			}
		}
	}
	return h.persons
}
