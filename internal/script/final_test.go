package script

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/policy"
)

func describeDecision(s *policy.Scripted) []string {
	var list []string
	if s.Reply.Action != policy.Continue || s.Reply.Code != 0 {
		list = append(list, s.Reply.String())
	}
	if s.Quarantine != "" {
		list = append(list, "quarantine "+s.Quarantine)
	}
	for _, e := range s.Edits {
		list = append(list, fmt.Sprintf("op%d %d %s:%s", e.Op, e.Index, e.Name, e.Value))
	}
	for _, n := range s.Notes {
		list = append(list, "log "+n.Event.Text)
	}
	for _, n := range s.Statistics {
		list = append(list, "stat "+n.Name+"="+n.Value)
	}
	return list
}

func TestDeciding(t *testing.T) {
	const insert, remove, addRcpt, delRcpt, add = policy.InsertField, policy.DeleteField,
		policy.AddRecipient, policy.DeleteRecipient, policy.AppendField
	tests := []struct {
		script, returns string
		decided         []string
	}{
		{`return odkim.add_header(ctx, "X-A", "v"), odkim.add_header(ctx, "X-B", " w"), odkim.add_header(ctx, "X-C", "a\r\n\tb")`, "1|1|1",
			[]string{"op0 0 X-A: v", "op0 0 X-B: w", "op0 0 X-C: a\n\tb"}},
		{`return odkim.add_header(ctx, "X-A", "v\nEvil: x"), odkim.add_header(ctx, "X A", "v"), odkim.add_header(ctx, "", "v"), odkim.add_header(ctx, "X:", "v"), odkim.add_header(ctx, "X", "a\r")`, "nil|nil|nil|nil|nil", nil},
		{`return odkim.del_header(ctx, "received", 1), odkim.del_header(ctx, "Received", -2), odkim.del_header(ctx, "Received", 2), odkim.del_header(ctx, "None", 0)`, "1|1|nil|nil",
			[]string{"op3 2 received:", "op3 1 Received:"}},
		{`return odkim.add_rcpt(ctx, "n@x.y"), odkim.add_rcpt(ctx, ""), odkim.add_rcpt(ctx, "a\nb"), odkim.del_rcpt(ctx, "A@example.NET"), odkim.del_rcpt(ctx, "none@x.y"), odkim.delete_rcpt(ctx, "b@example.net")`, "1|nil|nil|1|nil|1",
			[]string{"op4 0 :n@x.y", "op5 0 :a@example.net", "op1 0 Original-Recipient: rfc822;a@example.net", "op5 0 :b@example.net", "op1 0 Original-Recipient: rfc822;b@example.net"}},
		{`return odkim.quarantine(ctx, "why\nnot")`, "1", []string{"quarantine why not"}},
		{`return odkim.set_reply(ctx, "550", "5.7.1", "no way"), odkim.set_result(ctx, SMFIS_REJECT)`, "1|1", []string{"reject 550 5.7.1 no way"}},
		{`return odkim.set_reply(ctx, "250", "2.0.0", "x"), odkim.set_reply(ctx, "55", "", "x"), odkim.set_reply(ctx, "5500", "", "x"), odkim.set_reply(ctx, "550", "junk", "x"), odkim.set_reply(ctx, "550", "5.7.1", "a\nb"), odkim.set_reply(ctx, "550", "4.7.1", "x")`,
			"nil|nil|nil|nil|nil|nil", nil},
		{`return odkim.set_reply(ctx, "550", "5.7.1", ("x"):rep(501)), odkim.set_reply(ctx, "550", "5.7.1", "a\1%s\200"), odkim.set_result(ctx, SMFIS_REJECT)`,
			"nil|1|1", []string{"reject 550 5.7.1 a %s?"}},
		{`return odkim.set_result(ctx, 0), odkim.set_result(ctx, 7), odkim.set_result(ctx, SMFIS_DISCARD), odkim.set_result(ctx, SMFIS_TEMPFAIL)`, "nil|nil|1|1", []string{"tempfail"}},
		{`return odkim.log(ctx, "a\nb")`, "nil", []string{"log a b"}},
	}
	_ = []policy.EditOp{insert, remove, addRcpt, delRcpt, add} // op0, op3, op4, op5, op1
	for _, tt := range tests {
		m := message(t)
		if got := evaluate(t, Final, m, tt.script, Options{}); got != tt.returns {
			t.Errorf("%s: returned %s, want %s", tt.script, got, tt.returns)
		}
		if diff := cmp.Diff(tt.decided, describeDecision(m)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.script, diff)
		}
	}
	m := message(t)
	evaluate(t, Statistics, m, `odkim.stats(ctx, "name", "value") odkim.spam(ctx)`, Options{})
	if diff := cmp.Diff([]string{"stat name=value"}, describeDecision(m)); diff != "" || !m.Spam {
		t.Errorf("statistics: %s spam %v", diff, m.Spam)
	}
}

// The numbers are those that opendkim 2.11 gave for such signatures.
func TestSignatures(t *testing.T) {
	signature := func(reason dkim.Reason, header, body bool, l int64) policy.ScriptedSignature {
		s := &dkim.Signature{Domain: "example.com", Length: l}
		return policy.ScriptedSignature{Signature: s,
			Result: &dkim.Result{Reason: reason, Signature: s, HeaderOK: header, BodyOK: body, CanonicalBodyLength: 30}}
	}
	tests := []struct {
		signature policy.ScriptedSignature
		want      string
	}{
		{signature(dkim.ReasonNone, true, true, -1), "0|0|30|30"},
		{signature(dkim.ReasonNone, true, true, 12), "0|0|30|12"},
		{signature(dkim.ReasonBodyHash, true, false, -1), "28|1|30|30"},
		{signature(dkim.ReasonBadSignature, false, true, -1), "28|-1|30|30"},
		{signature(dkim.ReasonKeyNotFound, false, true, -1), "22|-1|30|30"},
		{signature(dkim.ReasonExpired, true, true, -1), "3|0|30|30"},
		{signature(dkim.ReasonFuture, true, true, -1), "4|0|30|30"},
		{signature(dkim.ReasonLengthTooLarge, true, false, -1), "33|-1|30|30"},
		{signature(dkim.ReasonKeyTooSmall, true, true, -1), "46|0|30|30"},
		{signature(dkim.ReasonKeyRevoked, false, true, -1), "42|-1|30|30"},
		{signature(dkim.ReasonKeyUnusable, false, true, -1), "43|-1|30|30"},
		{signature(dkim.ReasonKeyHashMismatch, false, true, -1), "37|-1|30|30"},
		{signature(dkim.ReasonKeyTypeUnknown, false, true, -1), "41|-1|30|30"},
		{signature(dkim.ReasonNotEmailKey, false, true, -1), "38|-1|30|30"},
		{signature(dkim.ReasonKeyVersion, false, true, -1), "35|-1|30|30"},
		{signature(dkim.ReasonSubdomain, false, true, -1), "29|-1|30|30"},
		{signature(dkim.ReasonTooManySignatures, false, false, -1), "-1|-1|nil|nil"},
	}
	for _, tt := range tests {
		m := message(t, tt.signature)
		script := `local s = odkim.get_sighandle(ctx, 0) return odkim.sig_result(s), odkim.sig_bhresult(s), odkim.sig_bodylength(s), odkim.sig_canonlength(s)`
		if got := evaluate(t, Final, m, script, Options{}); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.signature.Result.Reason, got, tt.want)
		}
	}
	m := message(t, signature(dkim.ReasonNone, true, true, -1),
		policy.ScriptedSignature{Signature: &dkim.Signature{Domain: "b.example", Identity: "joe@b.example"}})
	script := `local a = odkim.get_sigarray(ctx) odkim.sig_ignore(a[1])
		return odkim.get_sigcount(ctx), #a, odkim.sig_getdomain(a[2]), odkim.sig_getidentity(a[1]), odkim.sig_getidentity(a[2])`
	if got, want := evaluate(t, Screen, m, script, Options{}), "2|2|b.example|@example.com|joe@b.example"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !m.Signatures[0].Ignored || m.Signatures[1].Ignored {
		t.Errorf("ignored: %v, %v", m.Signatures[0].Ignored, m.Signatures[1].Ignored)
	}
	if got := m.Kept([]dkim.Result{{Reason: dkim.ReasonNone}, {Reason: dkim.ReasonExpired}}); len(got) != 1 ||
		got[0].Reason != dkim.ReasonExpired {
		t.Errorf("results left: %v", got)
	}
	if got, want := evaluate(t, Screen, message(t), `return odkim.get_sigcount(ctx), #odkim.get_sigarray(ctx), odkim.get_sighandle(ctx, 0)`, Options{}), "0|0|nil"; got != want {
		t.Errorf("without signatures: got %s, want %s", got, want)
	}
}

type notFound struct{}

func (notFound) Error() string  { return "no such name" }
func (notFound) NotFound() bool { return true }

func TestBlockList(t *testing.T) {
	m := message(t)
	m.LookupA = func(ctx context.Context, name string) ([]netip.Addr, error) {
		switch name {
		case "2.0.0.127.list.example":
			return []netip.Addr{netip.MustParseAddr("127.0.0.4")}, nil
		case "1.0.0.127.list.example":
			return nil, notFound{}
		case "slow.list.example":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, errors.New("server failure")
	}
	tests := []struct{ script, want string }{
		{`return odkim.rbl_check(ctx, "2.0.0.127", "list.example")`, "127|0|0|4"},
		{`return select("#", odkim.rbl_check(ctx, "1.0.0.127", "list.example"))`, "0"},
		{`return odkim.rbl_check(ctx, "x", "list.example")`, "nil"},
		{`return odkim.rbl_check(ctx, "slow", ".list.example", 0.01)`, "nil"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			if got := evaluate(t, Final, m, tt.script, Options{}); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.script, got, tt.want)
			}
			if took := time.Since(start); took > 10*time.Millisecond {
				t.Errorf("%s: took %v", tt.script, took)
			}
		})
	}
}

// Which functions and constants a hook has is what Debian's opendkim shows there,
// with those of the manual it is built without.
func TestLibraryOfEachHook(t *testing.T) {
	tests := []struct {
		hook          Hook
		with, without string
	}{
		{Setup, "sign signfor verify resign use_ltag xtag replace_header set_result db_open check_popauth get_dbhandle export", "add_header get_sigcount sig_ignore set_reply stats rbl_check"},
		{Screen, "get_sigarray get_sigcount get_sighandle sig_getdomain sig_getidentity sig_ignore parse_field db_open export", "sign sig_result add_header set_result"},
		{Statistics, "stats sig_result sig_bhresult sig_bodylength sig_canonlength rbl_check get_sigarray export", "sign add_header set_result sig_ignore"},
		{Final, "add_header del_header add_rcpt del_rcpt quarantine set_reply set_result rbl_check sig_result xtag", "sign verify sig_ignore stats db_open"},
	}
	for _, tt := range tests {
		for name := range strings.FieldsSeq(tt.with) {
			if got := evaluate(t, tt.hook, message(t), "return type(odkim."+name+")", Options{}); got != "function" {
				t.Errorf("hook %d has no %s", tt.hook, name)
			}
		}
		for name := range strings.FieldsSeq(tt.without) {
			if got := evaluate(t, tt.hook, message(t), "return type(odkim."+name+")", Options{}); got != "nil" {
				t.Errorf("hook %d has %s", tt.hook, name)
			}
		}
	}
	if got, want := evaluate(t, Setup, message(t),
		"return SMFIS_REJECT, SMFIS_DISCARD, SMFIS_ACCEPT, SMFIS_TEMPFAIL, DB_DOMAINS, DB_SIGNINGTABLE, DKIM_SIGERROR_OK",
		Options{}), "1|2|3|4|1|6|nil"; got != want {
		t.Errorf("setup: got %s, want %s", got, want)
	}
	if got, want := evaluate(t, Final, message(t), "return SMFIS_REJECT, DKIM_SIGERROR_BADSIG, DKIM_SIGBH_UNTESTED, DB_DOMAINS",
		Options{}), "1|28|-1|nil"; got != want {
		t.Errorf("final: got %s, want %s", got, want)
	}
}
