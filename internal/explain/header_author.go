package explain

import (
	"fmt"
	"slices"
	"strings"
)

// author: From or Sender of somebody else, as lists write it for DMARC's sake. The real
// one is often in another field.
func (h *headerSearch) author(n *namedFields, at int) {
	value := unfold(valueOf(n.now[at]))
	add := func(cost int, was string) {
		if was = strings.TrimSpace(was); was != "" {
			h.lay(n, at, was, fieldEdit{code: CodeFromRewritten, cost: cost, args: wasIs(was, value)})
		}
	}
	display := newMailbox(value).bare()
	for _, cut := range []string{" via ", " (via ", "' via "} {
		if before, _, ok := strings.Cut(display, cut); ok {
			display = strings.Trim(before, `'" `)
			break
		}
	}
	for _, m := range mailboxes(value) {
		for _, address := range h.hidden(m.address) {
			add(2, address)
			for _, name := range []string{m.name, m.bare(), display} {
				if name != "" {
					add(2, name+" <"+address+">")
					add(2, `"`+name+`" <`+address+">")
				}
			}
		}
	}
	for i, source := range []string{"X-Original-From", "Reply-To", "Cc", "From", "X-Original-Sender", "Sender", "Return-Path",
		"X-Envelope-From", "Mail-Followup-To", "X-MailFrom"} {
		if strings.EqualFold(source, n.name) {
			continue
		}
		for _, m := range mailboxes(h.first(source)) {
			cost := 1 + min(i/4, 1)
			add(cost, m.raw)
			for style := 1; style < len(styles); style++ {
				add(cost+min(style/3, 1), styles[style](m))
			}
			if display != "" {
				add(cost, fmt.Sprintf("%s <%s>", display, m.address))
				add(cost, fmt.Sprintf(`"%s" <%s>`, display, m.address))
			}
		}
	}
}

// hidden are the addresses that one of a list's may stand for: joe=example.com@groups.example,
// joe.example.com@lists.example, joe@example.com.invalid, joe@lists.example.
func (h *headerSearch) hidden(address string) []string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || len(address) > 254 {
		return nil
	}
	local, host := address[:at], address[at+1:]
	domain := h.check.signature.Domain
	found := []string{local + "@" + domain}
	for _, sign := range []string{"=", ".", "_at_", "-at-", "--", "_", "-", "%"} {
		if before, cut := strings.CutSuffix(local, sign+domain); cut && before != "" {
			found = append(found, before+"@"+domain)
		}
	}
	if i := strings.LastIndexByte(local, '='); i >= 0 {
		found = append(found, local[:i]+"@"+local[i+1:])
	}
	if before, cut := strings.CutSuffix(host, ".invalid"); cut {
		found = append(found, local+"@"+before)
	}
	return found
}

// readers are what a field that was removed may have said.
func (h *headerSearch) readers(n *namedFields) []string {
	var values []string
	if n.is("Sender", "Reply-To", "Return-Path") {
		for _, m := range mailboxes(h.first("From")) {
			for _, style := range styles {
				values = append(values, style(m))
			}
		}
	}
	for _, m := range h.people() {
		values = append(values, m.raw)
	}
	return slices.Compact(values)
}
