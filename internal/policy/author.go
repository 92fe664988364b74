package policy

import (
	"strings"

	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/event"
)

// Author is the mailbox that decides whose mail this is.
type Author struct {
	User   string // local part as written
	Domain string // as written
	Field  string // the header field it was found in, or the macro
}

// domain is the author's domain as tables want it, and as written when it is longer than
// what is in any.
func (a Author) domain() string {
	if len(a.Domain) > dataset.MaxHostBytes {
		return a.Domain
	}
	return strings.ToLower(a.Domain)
}

// Authors are the options about who a message's author is.
type Authors struct {
	SenderHeaders []string // before From, which is the last
	SenderMacro   string   // as configured, with braces or without
	DefaultSender string   // address taken when none is found
}

// author finds the sender by SenderMacro, in the first of SenderHeaders that is
// there, or in From when none is. Compat(opendkim 2.11): of several fields with that
// name the topmost counts, of several mailboxes in it the first, and ReplaceRules come
// before.
func (a *Authors) author(f *Facts, s *Signing) (Author, *event.Event) {
	if a.SenderMacro != "" {
		if value := f.macro(strings.Trim(a.SenderMacro, "{}")); value != "" {
			user, domain, err := header.Address([]byte(value))
			if err != nil || user == "" || domain == "" {
				e := event.UnparsableSenderMacro(a.SenderMacro, value)
				return Author{}, &e
			}
			return Author{user, domain, a.SenderMacro}, nil
		}
	}
	for i := range len(a.SenderHeaders) + 1 {
		name := "From"
		if i < len(a.SenderHeaders) {
			name = a.SenderHeaders[i]
		}
		field, _, ok := f.Fields.First(name)
		if !ok {
			continue
		}
		value := s.replacedValue(field)
		user, domain, err := mailboxOf(name, value)
		switch {
		case err == nil && user != "" && domain != "":
			return Author{user, domain, name}, nil
		case isURLField(name): // "NO" is a List-Post too (RFC 2369 §3.4)
			continue
		}
		e := event.UnparsableSender(name, string(value))
		return Author{}, &e
	}
	if user, domain, err := header.Address([]byte(a.DefaultSender)); err == nil {
		return Author{user, domain, "DefaultSender"}, nil
	}
	e := event.NoSender()
	return Author{}, &e
}

// isURLField reports whether a field holds URLs instead of addresses (RFC 2369).
func isURLField(name string) bool {
	switch strings.ToLower(name) {
	case "list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive":
		return true
	}
	return false
}

// mailboxOf is the first mailbox that a field of that name names.
func mailboxOf(name string, value []byte) (user, domain string, err error) {
	if isURLField(name) {
		return header.URLAddress(value)
	}
	return header.Address(value)
}

// singletons are the fields that RFC 5322 §3.6 allows at most once, in the
// order OpenDKIM looks for them.
var singletons = [...]string{"Reply-To", "To", "Cc", "Bcc", "Message-Id", "In-Reply-To", "References", "Subject"}

// headerFault says what RFC 5322 §3.6 finds wrong with the fields' number, ""
// for nothing.
func headerFault(fields *header.List) string {
	for _, name := range [...]string{"From", "Date"} {
		if fields.Count(name) != 1 {
			return "message does not have exactly one " + name + " field"
		}
	}
	for _, name := range singletons {
		if fields.Count(name) > 1 {
			return "message has multiple " + name + " fields"
		}
	}
	return ""
}

// strictFault applies StrictHeaders: RFC 5322 §3.6 once more, Sender included.
func strictFault(fields *header.List) bool {
	return headerFault(fields) != "" || fields.Count("Sender") > 1
}
