package filter_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/filter"
	"dojang/milter"
)

// effect shows that an option does something: what holds with it does not hold
// without it.
type effect struct {
	option string
	base   string // beside signing or verifying
	more   string // "" is "option yes"
	files  map[string]string
	signed string // the message is one from outside, signed under this configuration
	change []change
	holds  func(r *rig, out milter.Outcome) bool
}

// verifying is a configuration that verifies what was signed by signing.
const verifying = "Mode v\nTestDNSData file:DIR/dns\nAuthservID mx.example.org\n"

// dns has the key of example.com and what others publish.
func dns() string {
	return "sel._domainkey.example.com RECORD\n" +
		"example.com._vouch.certifier.example all\nexample.com._vouch.other.example all\n"
}

func tag(text string) func(*rig, milter.Outcome) bool {
	return func(_ *rig, out milter.Outcome) bool {
		for _, e := range out.Edits {
			if e.Name == "DKIM-Signature" && strings.Contains(strings.Join(strings.Fields(e.Value), ""), text) {
				return true
			}
		}
		return false
	}
}

func edited(name string) func(*rig, milter.Outcome) bool {
	return func(_ *rig, out milter.Outcome) bool { return hasEdit(out, name) }
}

func deleted(name string) func(*rig, milter.Outcome) bool {
	return func(_ *rig, out milter.Outcome) bool {
		for _, e := range out.Edits {
			if e.Name == name && e.Kind == milter.ReplyChangeHeader && e.Value == "" {
				return true
			}
		}
		return false
	}
}

func says(text string) func(*rig, milter.Outcome) bool {
	return func(_ *rig, out milter.Outcome) bool { return strings.Contains(results(out), text) }
}

func not(f func(*rig, milter.Outcome) bool) func(*rig, milter.Outcome) bool {
	return func(r *rig, out milter.Outcome) bool { return !f(r, out) }
}

func answers(text string) func(*rig, milter.Outcome) bool {
	return func(_ *rig, out milter.Outcome) bool { return strings.HasPrefix(out.Final.Text, text) }
}

// written looks for a file of the test's folder that matches, when the filter has ended.
func written(pattern, text string) func(*rig, milter.Outcome) bool {
	return func(r *rig, _ milter.Outcome) bool {
		r.finish()
		names, _ := filepath.Glob(filepath.Join(r.dir, pattern))
		for _, name := range names {
			if content, err := os.ReadFile(name); err == nil && strings.Contains(string(content), text) {
				return true
			}
		}
		return false
	}
}

const (
	sendReports = "SendReports yes\nMTACommand DIR/send\n"
	asking      = "RequestReports yes\n"
)

// reportFiles make a report land in the file DIR/report.
func reportFiles() map[string]string {
	return map[string]string{
		"dns":  dns() + "_report._domainkey.example.com ra=postmaster; rp=100\n",
		"send": "#!/bin/sh\n{ echo \"ARGS $*\"; cat; } > DIR/report.new && mv DIR/report.new DIR/report\n",
	}
}

func spoilt(m *milter.Message) { m.Raw = append(m.Raw, "more\r\n"...) }

// limiting are the effects of the reputation options on a first message.
func limiting() []effect {
	over := answers("450 4.7.1 too much mail")
	deferred := func(_ *rig, out milter.Outcome) bool { return out.Final.Kind == milter.ReplyTempFail }
	return []effect{
		{option: "ReputationLimits", base: verifying, more: "ReputationLimits csl:example.com=0", signed: "\n", holds: over},
		{option: "ReputationLimitModifiers", base: verifying + "ReputationLimits csl:example.com=1\n", more: "ReputationLimitModifiers csl:example.com=-1", signed: "\n", holds: over},
		{option: "ReputationTimeFactor", base: verifying + "ReputationLimits csl:example.com=2\nReputationLimitModifiers csl:example.com=-1\n", more: "ReputationTimeFactor 2", signed: "\n", holds: over},
		{option: "ReputationRatios", base: verifying + "ReputationSpamCheck ^Subject:\n", more: "ReputationRatios csl:example.com=0.5", signed: "\n", holds: over},
		{option: "ReputationSpamCheck", base: verifying + "ReputationRatios csl:example.com=0.5\n", more: "ReputationSpamCheck ^Subject:", signed: "\n", holds: over},
		{option: "ReputationLowTime", base: verifying + "ReputationLimits csl:example.com=5,low-time=0\n", more: "ReputationLowTime csl:example.com=1", signed: "\n", holds: over},
		{option: "ReputationMinimum", base: verifying + "ReputationLimits csl:example.com=0\n", more: "ReputationMinimum 1", signed: "\n", holds: not(over)},
		{option: "ReputationTest", base: verifying + "ReputationLimits csl:example.com=0\n", signed: "\n", holds: not(over)},
		{option: "ReputationVerbose", base: verifying + "ReputationLimits csl:example.com=5\n", signed: "\n", holds: func(r *rig, _ milter.Outcome) bool {
			return strings.Contains(strings.Join(r.log.take(), "\n"), "allowed by reputation of example.com (ratio -1, count 1, spam 0, limit 5)")
		}},
		{option: "RateLimits", base: verifying, more: "RateLimits csl:example.com=0", signed: "\n", holds: deferred},
		{option: "On-ReputationError", base: verifying + "ReputationLimits csl:example.com=many\n", more: "On-ReputationError reject", signed: "\n",
			holds: func(_ *rig, out milter.Outcome) bool { return out.Final.Kind == milter.ReplyReject }},
	}
}

func effects() []effect {
	const otherDomain = "KeyTable csl:k1=example.com:sel:KEYS/k2048.pem\nSigningTable csl:other.com=k1\nMode s\n"
	const setup = "Mode s\nKeyTable csl:k1=example.com:sel:KEYS/k2048.pem\n"
	return []effect{
		{option: "IdentityHeader", more: "IdentityHeader X-Id", change: []change{local, plus("X-Id: joe@example.com")}, holds: tag("i=joe@example.com;")},
		{option: "IdentityHeaderRemove", base: "IdentityHeader X-Id\n", change: []change{local, plus("X-Id: joe@example.com")}, holds: deleted("X-Id")},
		{option: "DefaultSender", more: "DefaultSender user@example.com", change: []change{local, raw("To: b@example.net\r\n\r\nhello\r\n")}, holds: edited("DKIM-Signature")},
		{option: "POPDBFile", more: "POPDBFile csl:192.0.2.1", holds: edited("DKIM-Signature")},
		{option: "ResignMailTo", more: "ResignMailTo csl:rcpt@example.net=k1", signed: "\n", holds: edited("DKIM-Signature")},
		{option: "ResignAll", base: "ResignMailTo csl:rcpt@example.net=k1\n", change: []change{from("x@other.com")}, holds: edited("DKIM-Signature")},
		{option: "RequireSenderMatch", change: []change{local, macro("auth_type", "PLAIN"), macro("auth_authen", "joe@other.org"), func(m *milter.Message) { m.From = "joe@other.org" }},
			holds: not(edited("DKIM-Signature"))},
		{option: "MaximumKeyBits", base: verifying, more: "MaximumKeyBits 1024", signed: "\n", holds: not(says("dkim=pass"))},
		{option: "VerifyPreset", base: verifying, more: "VerifyPreset strict", signed: "SignHeaders From,To\nOmitHeaders Subject,Date\n", holds: not(says("dkim=pass"))},
		{option: "AddCanonicalizedData", base: verifying, signed: "\n", holds: edited("X-DKIM-Canonicalized-Header")},
		{option: "ConditionalSignatures", more: "ConditionalSignatures csl:example.net", change: []change{local}, holds: tag("!cd=example.net;")},
		{option: "ATPSDomains", base: otherDomain, more: "ATPSDomains csl:other.com", change: []change{local, from("x@other.com")}, holds: tag("atps=other.com;")},
		{option: "ATPSHashAlgorithm", base: otherDomain + "ATPSDomains csl:other.com\n", more: "ATPSHashAlgorithm sha1", change: []change{local, from("x@other.com")}, holds: tag("atpsh=sha1;")},
		{option: "VBR-Type", base: "VBR-Certifiers certifier.example\n", more: "VBR-Type all", change: []change{local}, holds: edited("VBR-Info")},
		{option: "VBR-Certifiers", base: "VBR-Type all\n", more: "VBR-Certifiers certifier.example", change: []change{local}, holds: edited("VBR-Info")},
		{option: "VBR-PurgeFields", change: []change{local, plus("X-VBR-Type: all")}, holds: deleted("X-VBR-Type")},
		{option: "VBR-TrustedCertifiers", base: verifying, more: "VBR-TrustedCertifiers certifier.example", signed: "\n",
			change: []change{plus("VBR-Info: md=example.com; mc=all; mv=certifier.example")}, holds: says("vbr=pass")},
		{option: "VBR-TrustedCertifiersOnly", base: verifying + "VBR-TrustedCertifiers certifier.example\n", signed: "\n",
			change: []change{plus("VBR-Info: md=example.com; mc=all; mv=other.example")}, holds: says("vbr=pass")},
		{option: "SendReports", base: verifying + "MTACommand DIR/send\n", signed: asking, files: reportFiles(), change: []change{spoilt}, holds: written("report", "ARGS -t")},
		{option: "MTACommand", base: verifying + "SendReports yes\nMTACommand /bin/false\n", more: "MTACommand DIR/send", signed: asking, files: reportFiles(), change: []change{spoilt}, holds: written("report", "ARGS -t")},
		{option: "ReportAddress", base: verifying + sendReports, more: "ReportAddress reporter@example.org", signed: asking, files: reportFiles(), change: []change{spoilt}, holds: written("report", "From: reporter@example.org")},
		{option: "ReportBccAddress", base: verifying + sendReports, more: "ReportBccAddress copy@example.org", signed: asking, files: reportFiles(), change: []change{spoilt}, holds: written("report", "copy@example.org")},
		{option: "DiagnosticDirectory", base: verifying, more: "DiagnosticDirectory DIR", signed: "Diagnostics yes\n", change: []change{field("Subject", "changed")}, holds: written("*JOB*", "Subject")},
		{option: "KeepTemporaryFiles", base: "TemporaryDirectory DIR\n", change: []change{local}, holds: written("dkim.JOB.*", "Hello world.\r\n\r\nSecond line.\r\n")},
		{option: "TemporaryDirectory", base: "KeepTemporaryFiles yes\nCanonicalization relaxed/relaxed\nTemporaryDirectory DIR/nowhere\n", more: "TemporaryDirectory DIR", change: []change{local},
			holds: written("dkim.JOB.*", "from:User One <user@example.com>\r\n")},
		{option: "Statistics", base: verifying, more: "Statistics DIR/statistics", signed: "\n", holds: written("statistics", "JOB")},
		{option: "StatisticsName", base: verifying + "Statistics DIR/statistics\n", more: "StatisticsName reporter.example", signed: "\n", holds: written("statistics", "reporter.example")},
		{option: "StatisticsPolicyScript", base: verifying + "Statistics DIR/statistics\n", more: "StatisticsPolicyScript DIR/lua", signed: "\n",
			files: map[string]string{"lua": "odkim.stats(ctx, \"colour\", \"green\")\nreturn nil\n"}, holds: written("statistics", "Xcolour\tgreen\n")},
		{option: "SetupPolicyScript", base: setup + "SigningTable csl:nobody.example=k1\n", more: "SetupPolicyScript DIR/lua", files: map[string]string{"lua": "odkim.sign(ctx, \"k1\")\nreturn nil\n"},
			change: []change{local}, holds: edited("DKIM-Signature")},
		{option: "ScreenPolicyScript", base: verifying, more: "ScreenPolicyScript DIR/lua", signed: "\n", files: map[string]string{"lua": "odkim.sig_ignore(odkim.get_sighandle(ctx, 0))\nreturn nil\n"},
			holds: not(says("dkim=pass"))},
		{option: "FinalPolicyScript", base: verifying, more: "FinalPolicyScript DIR/lua", signed: "\n", files: map[string]string{"lua": refusing}, holds: answers("550 5.7.1 no")},
		{option: "ScriptUnsafe", base: verifying + "FinalPolicyScript DIR/lua\n", signed: "\n", files: map[string]string{"lua": "if os ~= nil and os.getenv ~= nil then\n" + refusing + "end\nreturn nil\n"},
			holds: answers("550 5.7.1 no")},
	}
}

const refusing = "odkim.set_reply(ctx, \"550\", \"5.7.1\", \"no\")\nodkim.set_result(ctx, SMFIS_REJECT)\n"

// TestOptionsHaveTheirEffects is for options that Debian's opendkim does not have
// or does not obey; test/oracle has the others.
func TestOptionsHaveTheirEffects(t *testing.T) {
	for _, e := range append(effects(), limiting()...) {
		t.Run(e.option, func(t *testing.T) {
			t.Parallel()
			more := e.more
			if more == "" {
				more = e.option + " yes"
			}
			if !strings.Contains("\n"+more, "\n"+e.option+" ") {
				t.Fatalf("%q does not set it", more)
			}
			if e.shows(t, "") {
				t.Error("the same without it")
			}
			if !e.shows(t, more+"\n") {
				t.Error("no effect")
			}
		})
	}
}

// shows runs the message with and without the option's lines.
func (e *effect) shows(t *testing.T, more string) bool {
	t.Helper()
	m := outside()
	if e.signed != "" {
		signer := newRig(t, signing+e.signed, nil, milter.Options{}, nil)
		if e.vouched() {
			for _, c := range e.change {
				c(&m)
			}
		}
		ours := m
		local(&ours)
		ours = signed(t, ours, signer.send(signer.dial(milter.ClientOptions{}), ours))
		m.Raw = ours.Raw
	}
	if e.signed == "" || !e.vouched() {
		for _, c := range e.change {
			c(&m)
		}
	}
	config := e.base
	if !strings.Contains(config, "Mode ") {
		config = signing + config
	}
	files := map[string]string{"dns": dns()}
	maps.Copy(files, e.files)
	r := newRig(t, config+more, files, milter.Options{}, func(*filter.Snapshot) {})
	if _, ok := files["send"]; ok {
		if err := os.Chmod(filepath.Join(r.dir, "send"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := r.send(r.dial(milter.ClientOptions{}), m)
	return e.holds(r, out)
}

// vouched tells that the change belongs into what is signed.
func (e *effect) vouched() bool { return strings.HasPrefix(e.option, "VBR-Trusted") }

func TestTestDNSData(t *testing.T) {
	signer := newRig(t, signing, nil, milter.Options{}, nil)
	m := signed(t, inside(), signer.send(signer.dial(milter.ClientOptions{}), inside()))
	m.Host, m.Addr = outside().Host, outside().Addr
	for _, c := range []struct{ dns, want string }{{dns(), "dkim=pass"}, {"nothing.example x\n", "dkim=fail"}} {
		r := newRig(t, verifying, map[string]string{"dns": c.dns}, milter.Options{}, nil)
		if got := results(r.send(r.dial(milter.ClientOptions{}), m)); !strings.Contains(got, c.want) {
			t.Errorf("%q: want %s", got, c.want)
		}
	}
}

// What a spent budget leads to is in TestKeysThatCannotBeHad.
func TestMessageTimeBudgetIsTheSnapshots(t *testing.T) {
	newRig(t, signing+"MessageTimeBudget 7s\n", nil, milter.Options{}, func(s *filter.Snapshot) {
		if s.MessageTimeBudget != 7*time.Second {
			t.Errorf("got %v", s.MessageTimeBudget)
		}
	})
}

func TestMilterDebug(t *testing.T) {
	told := []struct {
		from, to int // levels
		line     string
	}{
		{1, 6, "negotiated version 6, actions 0x"}, {1, 6, `connect "localhost" [127.0.0.1]: continue`}, {1, 6, "close"},
		{2, 2, "mail continue"}, {3, 6, `mail "<user@example.com>": continue`}, {2, 2, "rcpt continue"},
		{3, 6, `rcpt "<rcpt@example.net>": continue`}, {2, 3, "header continue"}, {4, 4, `header "Subject": continue`},
		{5, 6, `header "Subject" " test message": continue`}, {2, 6, "end_of_header continue"}, {2, 5, "body 30 octets: continue"},
		{6, 6, `body "Hello world.\r\n\r\nSecond line.\r\n": continue`}, {2, 6, "end_of_message accept"},
	}
	for level := 0; level <= 6; level++ {
		r := newRig(t, signing+fmt.Sprintf("Canonicalization simple/simple\nMilterDebug %d\n", level), nil, milter.Options{}, nil)
		c := r.dial(milter.ClientOptions{})
		out := r.send(c, inside())
		if got := r.verified(inside(), out); !strings.Contains(got, "dkim=pass") {
			t.Errorf("MilterDebug %d: %s", level, got)
		}
		closed := make(chan struct{})
		next := new(filter.Snapshot)
		r.filter.Current().OnClose(func() { close(closed) })
		r.filter.Swap(next)
		c.Close()
		<-closed // when its last connection has left
		text := strings.Join(r.log.take(), "\n")
		for _, want := range told {
			if got := strings.Contains(text, "debug milter: "+want.line); got != (want.from <= level && level <= want.to) {
				t.Errorf("MilterDebug %d: %s: told %v\n%s", level, want.line, got, text)
			}
		}
	}
}

func TestSMTPURI(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connected := make(chan struct{})
	go func() {
		if conn, err := l.Accept(); err == nil {
			close(connected)
			conn.Close()
		}
	}()
	e := effect{base: verifying + "SendReports yes\nMTACommand /bin/false\n", signed: asking,
		files: reportFiles(), change: []change{spoilt}, holds: func(r *rig, _ milter.Outcome) bool {
			r.finish()
			select {
			case <-connected:
				return true
			default:
				return false
			}
		}}
	if e.shows(t, "") {
		t.Error("the same without SMTPURI")
	}
	if !e.shows(t, "SMTPURI smtp://"+l.Addr().String()+"\n") {
		t.Error("no effect")
	}
}

// Vectors: Debian's opendkim -t with KeepTemporaryFiles yes and simple/simple
// wrote "From: a@example.com\r\nSubject: x  y\r\nDKIM-Signature: v=1; ...;\r\n\tb="
// and "hello  \r\n" for "hello  \r\n\r\n".
func TestTemporaryFilesAreOpenDKIMs(t *testing.T) {
	r := newRig(t, signing+"KeepTemporaryFiles yes\nTemporaryDirectory DIR\nCanonicalization simple/simple\n", nil, milter.Options{}, nil)
	m := inside()
	raw("From: a@example.com\r\nSubject: x  y\r\n\r\nhello  \r\n\r\n")(&m)
	m = signed(t, m, r.send(r.dial(milter.ClientOptions{}), m))
	m.Host, m.Addr = outside().Host, outside().Addr
	r.send(r.dial(milter.ClientOptions{}), m)
	names, err := filepath.Glob(filepath.Join(r.dir, "dkim.JOB.*"))
	if err != nil || len(names) != 4 {
		t.Fatalf("%v, %v: want two files for the message signed and two for that verified", names, err)
	}
	bodies, headers := 0, map[string]int{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if string(text) == "hello  \r\n" {
			bodies++
			continue
		}
		headers[string(text)]++
		if !strings.HasPrefix(string(text), "From: a@example.com\r\nSubject: x  y\r\nDKIM-Signature: v=1; ") ||
			!strings.HasSuffix(string(text), ";\r\n\tb=") {
			t.Errorf("header: %q", text)
		}
	}
	if bodies != 2 || len(headers) != 1 {
		t.Errorf("%d bodies, headers %v: signer and verifier must hash the same", bodies, headers)
	}
}
