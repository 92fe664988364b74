package message

import (
	"log/slog"
	"net/netip"
	"reflect"
	"testing"

	"dojang/header"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// TestNothingOfAMessageReachesTheNext: whatever a message has set is forgotten before
// its memory is lent again.
func TestNothingOfAMessageReachesTheNext(t *testing.T) {
	services := NewServices(nil, nil)
	none := resolver.NewOverlay(map[string]string{"s._domainkey.example.com": "v=DKIM1; p="}, nil)
	snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Resolver: none, Log: slog.New(slog.DiscardHandler)}
	m := services.Begin(t.Context(), snapshot, All, "joe@example.com")
	m.AddRecipient("ann@example.net")
	m.AddField([]byte("DKIM-Signature"),
		[]byte(" v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA"), true)
	m.AddField([]byte("From"), []byte(" joe@example.com"), true)
	m.Decide(Origin{ClientName: "h", ClientAddr: netip.MustParseAddr("192.0.2.1"), Macro: func(string) string { return "x" }})
	m.Write([]byte("text\r\n"))
	if o := m.Finish(); o == nil || len(m.answers) != 1 || len(m.verdict.Results) != 1 {
		t.Fatalf("the message was not verified: %+v", o)
	}
	m.stop()
	m.clear()
	if !reflect.ValueOf(m.state).IsZero() {
		t.Errorf("left: %+v", m.state)
	}
	if n := len(m.recipients) + len(m.signers) + len(m.answers) + len(m.questions) + len(m.events) + m.fields.Len(); n != 0 {
		t.Errorf("%d elements are left", n)
	}
	if a := m.answers[:1][0]; !reflect.ValueOf(a).IsZero() {
		t.Errorf("left in memory: %+v", a)
	}
	if r := m.recipients[:1][0]; r != "" {
		t.Errorf("left in memory: %q", r)
	}
}

// TestHeadersAreBounded: a header of as many octets as MaximumHeaders allows is kept, one of
// more is cut before the field that goes beyond; 0 is no bound.
func TestHeadersAreBounded(t *testing.T) {
	add := [][2]string{{"a", " b"}, {"cd", " ef"}, {"e", " f"}}
	at := func(limit int) *Message {
		snapshot := &Snapshot{MaximumHeaderBytes: limit, Rules: &policy.Rules{}, Log: slog.New(slog.DiscardHandler)}
		m := NewServices(nil, nil).Begin(t.Context(), snapshot, All, "")
		for _, f := range add {
			m.AddField([]byte(f[0]), []byte(f[1]), true)
		}
		return m
	}
	if m := at(0); m.fields.Len() != len(add) || m.overflow != "" {
		t.Errorf("without a limit: %d fields, overflow %q", m.fields.Len(), m.overflow)
	}
	before := new(header.List)
	for i, f := range add {
		needs := before.Size() + len(f[0]) + len(f[1])
		before.Add([]byte(f[0]), []byte(f[1]), true)
		if m := at(needs - 1); m.fields.Len() != i || m.overflow != f[0] {
			t.Errorf("%d octets: %d fields, overflow %q", needs-1, m.fields.Len(), m.overflow)
		}
		if m := at(needs); m.fields.Len() != i+1 || m.overflow == f[0] {
			t.Errorf("%d octets: %d fields, overflow %q", needs, m.fields.Len(), m.overflow)
		}
	}
}
