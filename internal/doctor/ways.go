package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/config"
	"dojang/internal/keyrecord"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/milter"
)

// way is one way by which a configuration may take mail for its own.
type way struct {
	Words  string // "a client on this host", ...
	Client netip.Addr
	Name   string // of the client
	Macros map[string]string
}

var (
	localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	stranger  = netip.AddrFrom4([4]byte{192, 0, 2, 1}) // RFC 5737
)

// ways are those by which a configuration may sign, the commonest first.
func ways(c *config.Config, author string) []way {
	macros := func(pairs ...string) map[string]string {
		m := map[string]string{"i": "DOCTOR", "j": "localhost", "daemon_name": "doctor"}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	list := []way{
		{"a client on this host", localhost, "localhost", macros()},
		{"a user who logs in", stranger, "client.invalid", macros("auth_type", "PLAIN", "auth_authen", author)},
	}
	for _, name := range csl(c.MTA.Value) {
		list = append(list, way{"a client of the service " + name, stranger, "client.invalid", macros("daemon_name", name)})
	}
	for _, rule := range csl(c.MacroList.Value) {
		name, value, _ := strings.Cut(rule, "=")
		value, _, _ = strings.Cut(value, "|")
		list = append(list, way{"mail with the macro " + rule, stranger, "client.invalid", macros(strings.Trim(name, "{}"), orOne(value))})
	}
	for _, host := range csl(c.InternalHosts.Value) {
		if prefix, err := netip.ParsePrefix(host); err == nil {
			host = prefix.Addr().Next().String()
		}
		if addr, err := netip.ParseAddr(host); err == nil && addr.IsValid() {
			list = append(list, way{"the client " + host, addr, "client.invalid", macros()})
		}
	}
	return list
}

func orOne(value string) string {
	if value == "" {
		return "1"
	}
	return value
}

// rehearsal walks messages through what the files say now, beside the running filter.
type rehearsal struct {
	Config   *config.Config
	Snapshot *message.Snapshot
	services *message.Services
	peers    policy.HostMatcher // PeerList: whose mail passes the filter by; nil for nobody's
}

// newRehearsal is one of a snapshot, which stays the caller's.
func newRehearsal(c *config.Config, s *message.Snapshot) *rehearsal {
	return &rehearsal{Config: c, Snapshot: s, services: message.NewServices(nil, time.Now)}
}

// signed is what tells one signature from another: its key, and what it covers.
type signed struct {
	record string // selector._domainkey.domain
	domain string
	scope  string // c=, h=
}

// signs are the signatures that the files have a message get.
func (h *rehearsal) signs(ctx context.Context, w way, author string, raw []byte) []signed {
	fields, body, err := header.Parse(raw)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if h.ignores(ctx, w) {
		return nil
	}
	run := h.services.Whole(ctx, h.Snapshot, message.Effects{}, message.Envelope{
		Origin: message.Origin{ClientName: w.Name, ClientAddr: w.Client,
			Macro: func(name string) string { return w.Macros[strings.Trim(name, "{}")] }},
		Sender: author, Recipients: []string{author},
	}, fields, body)
	if run.Outcome == nil {
		return nil
	}
	var list []signed
	for _, e := range run.Outcome.Edits {
		if e.Op == policy.InsertField && strings.EqualFold(e.Name, dkim.FieldName) {
			list = appendSigned(list, []byte(e.Value))
		}
	}
	return list
}

// ignores reports whether PeerList has a client's mail pass the filter by.
func (h *rehearsal) ignores(ctx context.Context, w way) bool {
	if h.peers == nil {
		return false
	}
	peer, err := h.peers.Match(ctx, w.Name, w.Client)
	return err == nil && peer
}

func appendSigned(list []signed, value []byte) []signed {
	g, err := dkim.ParseSignature(value)
	if err != nil {
		return list
	}
	tags := map[string]string{}
	for tag := range bytes.SplitSeq(value, []byte(";")) {
		if name, value, ok := bytes.Cut(tag, []byte("=")); ok {
			tags[string(bytes.TrimSpace(name))] = strings.Join(strings.Fields(string(value)), "")
		}
	}
	return append(list, signed{record: g.Selector + "._domainkey." + g.Domain, domain: keyrecord.Canonical(g.Domain),
		scope: tags["c"] + " " + strings.ToLower(tags["h"])})
}

// wayOf is the first way by which the files have mail of an author signed.
func (h *rehearsal) wayOf(ctx context.Context, author string) (way, []signed, bool) {
	raw := testMessage(author)
	for _, w := range ways(h.Config, author) {
		if list := h.signs(ctx, w, author, raw); len(list) > 0 {
			return w, list, true
		}
	}
	return way{}, nil, false
}

// signaturesOf are those that a filter put before a message.
func signaturesOf(o milter.Outcome, raw []byte) []signed {
	fields, _, err := header.Parse(milter.Apply(raw, o.Edits))
	if err != nil {
		return nil
	}
	var list []signed
	for i := range fields.Len() {
		if f := fields.At(i); f.Is(dkim.FieldName) {
			list = appendSigned(list, f.Value())
		}
	}
	return list
}

// sameSigned compares without regard to order.
func sameSigned(a, b []signed) bool {
	key := func(x, y signed) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), key), slices.SortedFunc(slices.Values(b), key))
}

func records(list []signed) string {
	if len(list) == 0 {
		return "no key"
	}
	var names []string
	for _, s := range list {
		names = append(names, s.record)
	}
	return strings.Join(names, " and ")
}
