package filter_test

import (
	"strings"
	"testing"

	"dojang/milter"
)

// A message that we have nothing to do with ends with its header: its body, however
// long, is never sent. One to which anything is owed goes to its end.
func TestMailWithNothingToDoEndsWithItsHeader(t *testing.T) {
	const tables = "KeyTable csl:k1=example.com:sel:KEYS/k2048.pem\nSigningTable csl:example.com=k1\nTestPublicKeys " +
		"DIR/keys\nAuthservID mx.example.org\n"
	foreign := outside()
	foreign.Raw = []byte(strings.Replace(string(foreign.Raw), "user@example.com>", "user@stranger.example>", 1))
	field := func(line string) milter.Message {
		m := foreign
		m.Raw = append([]byte(line+"\r\n"), foreign.Raw...)
		return m
	}
	mine := inside()
	for _, c := range []struct {
		name string
		conf string
		m    milter.Message
		step byte
		kind byte
	}{
		{"unsigned, Mode sv", "Mode sv\n" + tables, foreign, milter.CommandEndOfHeader, milter.ReplyAccept},
		{"unsigned, Mode v", "Mode v\nAuthservID mx.example.org\n", foreign, milter.CommandEndOfHeader, milter.ReplyAccept},
		{"not ours, Mode s", "Mode s\n" + tables, foreign, milter.CommandEndOfHeader, milter.ReplyAccept},
		{"somebody else's results", "Mode sv\n" + tables, field("Authentication-Results: other.example; dkim=pass header.d=a.example"), milter.CommandEndOfHeader, milter.ReplyAccept},
		{"forged results are taken out", "Mode sv\n" + tables, field("Authentication-Results: mx.example.org; dkim=pass header.d=a.example"), milter.CommandEndOfMessage, milter.ReplyAccept},
		{"a signature to verify", "Mode sv\n" + tables, field("DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=aaaa; b=bbbb"), milter.CommandEndOfMessage, milter.ReplyAccept},
		{"ours to sign", "Mode sv\n" + tables, mine, milter.CommandEndOfMessage, milter.ReplyAccept},
		{"results on all mail", "Mode sv\nAlwaysAddARHeader yes\n" + tables, foreign, milter.CommandEndOfMessage, milter.ReplyAccept},
		{"SoftwareHeader", "Mode sv\nSoftwareHeader yes\n" + tables, foreign, milter.CommandEndOfMessage, milter.ReplyAccept},
		{"On-NoSignature", "Mode v\nOn-NoSignature reject\nAuthservID mx.example.org\n", foreign, milter.CommandEndOfMessage, milter.ReplyCode},
		{"statistics", "Mode v\nStatistics DIR/stats\nAuthservID mx.example.org\n", foreign, milter.CommandEndOfMessage, milter.ReplyAccept},
		{"a final script", "Mode v\nFinalPolicyScript DIR/final.lua\nAuthservID mx.example.org\n", foreign, milter.CommandEndOfMessage, milter.ReplyAccept},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.conf, map[string]string{"final.lua": "return nil\n"}, milter.Options{}, nil)
			out := r.send(r.dial(milter.ClientOptions{}), c.m)
			if out.Step != c.step || out.Final.Kind != c.kind {
				t.Errorf("ended at %c with %s, want at %c\n%+v", out.Step, out.Final.String(), c.step, out.Edits)
			}
			old := r.send(r.dial(milter.ClientOptions{Version: 2}), c.m)
			if old.Final.Kind != c.kind {
				t.Errorf("an old MTA gets %s", old.Final.String())
			}
		})
	}
}
