package filter_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/filter"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/internal/testutil"
	"dojang/milter"
)

// lines that decide about messages, one or more of a kind. DIR has the files of
// scripts, KEYS the private keys of the oracle's messages.
var decisiveLines = [][]string{
	{"Mode s", "Mode v", "Mode sv", "Mode sv", "Mode sv"},
	{"LogWhy yes"}, {"LogResults yes"}, {"SyslogSuccess yes"}, {"MultipleSignatures yes"}, {"SubDomains yes"},
	{"SenderHeaders Resent-From,Sender,From"}, {"SenderMacro {mail_addr}"}, {"InternalHosts 192.0.2.0/24"}, {"ExternalIgnoreList 192.0.2.1"},
	{"ExemptDomains example.com", "ExemptDomains example.net"}, {"DontSignMailTo *@example.net"}, {"ResignMailTo *@example.net", "ResignAll yes\nResignMailTo *@example.net"},
	{"RequiredHeaders yes"}, {"StrictHeaders yes"}, {"IgnoreMalformedMail yes"}, {"WeakSyntaxChecks yes"}, {"MaximumHeaders 200", "MaximumHeaders 1000"},
	{"Canonicalization relaxed/relaxed", "Canonicalization simple/simple"}, {"MaximumSignedBytes 10"}, {"BodyLengthDB *@example.net"}, {"SignatureTTL 3600"},
	{"RemoveOldSignatures yes"}, {"OversignHeaders From,Subject"}, {"SignHeaders *,+x-foo"}, {"Diagnostics yes"}, {"RequestReports yes"},
	{"ReplaceRules DIR/rules"}, {"FixCRLF yes"}, {"SignatureAlgorithm ed25519-sha256"}, {"IdentityHeader X-Id"},
	{"On-Default reject", "On-Default tempfail", "On-BadSignature reject", "On-BadSignature discard", "On-BadSignature quarantine"}, {"On-NoSignature reject", "On-NoSignature quarantine"},
	{"On-KeyNotFound reject"}, {"On-Security reject", "On-Security quarantine", "On-Security accept"}, {"On-SignatureError reject"}, {"Quarantine yes"}, {"RedirectFailuresTo bad@ops.example"},
	{"MaximumSignaturesToVerify 1"}, {"MinimumKeyBits 2048", "MinimumKeyBits 0"}, {"Minimum 50%", "Minimum 1+"}, {"MustBeSigned Subject,X-Foo"}, {"TrustSignaturesFrom example.com", "TrustSignaturesFrom other.example"},
	{"AllowSHA1Only yes"}, {"BogusKey neutral"}, {"UnprotectedKey fail", "UnprotectedKey neutral"}, {"VerifyPreset strict"}, {"ATPSDomains example.com"}, {"ConditionalSignatures example.com"},
	{"AuthservID mx.example.org"}, {"AuthservIDWithJobID yes"}, {"AlwaysAddARHeader yes"}, {"RemoveARAll yes", "RemoveARFrom ar.example"}, {"KeepAuthResults yes"}, {"NoHeaderB yes"}, {"SoftwareHeader yes"},
	{"AddCanonicalizedData yes"}, {"RateLimits DIR/rates"}, {"ReputationLimits DIR/rates"}, {"VBR-TrustedCertifiers v.example"}, {"Statistics DIR/stats"},
	{"SetupPolicyScript DIR/setup.lua", "SetupPolicyScript DIR/broken.lua"}, {"ScreenPolicyScript DIR/screen.lua", "ScreenPolicyScript DIR/broken.lua"},
	{"StatisticsPolicyScript DIR/count.lua"}, {"FinalPolicyScript DIR/final.lua", "FinalPolicyScript DIR/broken.lua"},
}

var decisiveFiles = map[string]string{
	"rules":      "Subject\tSubject\nexample\\.com\texample.com\n",
	"rates":      "example.com 1\n. 2\nUNSIGNED 1\n",
	"setup.lua":  "odkim.replace_header(ctx, \"Subject\", 0, \"another\")\nif odkim.get_mtasymbol(ctx, \"i\") == \"ODD\" then odkim.verify(ctx) else odkim.sign(ctx) end\n",
	"broken.lua": "if ctx ~= nil then error(\"a mistake\") end\n",
	"screen.lua": "if odkim.get_sigcount(ctx) > 1 then odkim.sig_ignore(odkim.get_sighandle(ctx, 0)) end\n",
	"count.lua":  "odkim.stats(ctx, \"seen\", \"1\")\n",
	"final.lua":  "odkim.add_header(ctx, \"X-Seen\", \"yes\")\nif odkim.get_sigcount(ctx) > 0 then odkim.set_reply(ctx, \"550\", \"5.7.1\", \"no\")\nodkim.set_result(ctx, SMFIS_REJECT) else odkim.quarantine(ctx, \"why\") end\n",
}

var keyLines = []string{
	"Domain example.com\nSelector sel\nKeyFile KEYS/rsa2048.pem",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa2048.pem\nSigningTable csl:example.com=k1",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa2048.pem,k2=example.com:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k1:k2",
	"KeyTable csl:k1=example.com:sel:/nonexistent,k2=example.com:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k1:k2",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa512.pem,k2=%:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k2,example.net=k1,user@example.com=k9",
}

// TestFilterAndToolsAgree: whatever the configuration and the message, what is there
// whole is answered, changed and logged as what comes over the socket step by step.
// PeerList, which tools do not ask, is not among the options.
func TestFilterAndToolsAgree(t *testing.T) {
	configurations := 120
	if testutil.Long() {
		configurations = 2000
	}
	names, err := filepath.Glob("../../test/oracle/testdata/messages/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no messages: %v", err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for i := range configurations {
		text := "RequireSafeKeys no\nTestPublicKeys KEYS/../public-keys\n" + keyLines[random.IntN(len(keyLines))] + "\n"
		for _, lines := range decisiveLines {
			if random.IntN(8) == 0 || lines[0] == "Mode s" {
				text += lines[random.IntN(len(lines))] + "\n"
			}
		}
		p := newPair(t, text)
		if p == nil {
			seen["refused"]++
			continue
		}
		for range 6 {
			name := names[random.IntN(len(names))]
			m := randomMessage(t, random, name)
			one, whole := p.transcript(t, 0, m), p.transcript(t, 1, m)
			if diff := cmp.Diff(one, whole); diff != "" {
				t.Errorf("configuration %d, %s from %s %v: (-filter +whole)\n%s\nunder\n%s", i,
					filepath.Base(name), m.Addr.Addr, m.Macros, diff, text)
			}
			for word := range strings.FieldsSeq(one) {
				seen[word]++
			}
		}
		p.close()
		if t.Failed() {
			return
		}
	}
	// What the comparison has met: without it, it would say nothing.
	for _, word := range []string{"DKIM-Signature", "Authentication-Results", "550", "451", "tempfail", "quarantine", "X-Seen"} {
		if seen[word] == 0 {
			t.Errorf("no message met %s", word)
		}
	}
	if seen["refused"] > configurations/2 {
		t.Errorf("%d of %d configurations are refused", seen["refused"], configurations)
	}
}

func randomMessage(t *testing.T, random *rand.Rand, name string) milter.Message {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m := outside()
	m.Raw = raw
	if random.IntN(2) == 0 {
		m = inside()
		m.Raw = raw
	}
	if random.IntN(4) == 0 {
		m.Macros["auth_type"] = "PLAIN"
	}
	if random.IntN(8) == 0 {
		delete(m.Macros, "i")
	}
	if random.IntN(4) == 0 {
		m.Macros["i"] = "ODD"
	}
	if random.IntN(4) == 0 {
		m.Rcpts = []string{"other@example.org", "rcpt@example.net"}
	}
	return m
}

// pair is one configuration behind two sockets: the filter, and what collects a message
// and takes it its way in one call.
type pair struct {
	logs    [2]*recorder
	sockets [2]string
	closers []func()
}

func newPair(t *testing.T, text string) *pair {
	t.Helper()
	p, dir := &pair{}, t.TempDir()
	keys, err := filepath.Abs("../../test/oracle/testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	place := strings.NewReplacer("DIR", dir, "KEYS", keys)
	for name, content := range decisiveFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "conf")
	if err := os.WriteFile(path, []byte(place.Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_795_000_000, 0)
	now := func() time.Time { return at }
	for i := range p.logs {
		c, problems := config.Load(path)
		if problems.HasErrors() {
			return nil
		}
		p.logs[i] = new(recorder)
		built, _ := build.Snapshot(t.Context(), c, build.Parts{Log: slog.New(p.logs[i]), Account: build.Account{UID: os.Getuid()}})
		if built == nil {
			return nil
		}
		services := message.NewServices(nil, now)
		sessions := func(conn *milter.Conn) milter.Session {
			return &wholeSession{conn: conn, services: services, snapshot: built.Snapshot}
		}
		if i == 0 {
			f := filter.New(built.Snapshot, nil, now)
			sessions = f.SessionMaker(filter.AsConfigured)
			p.closers = append(p.closers, f.Close)
		} else {
			p.closers = append(p.closers, built.Snapshot.Discard)
		}
		p.serve(t, i, filepath.Join(dir, fmt.Sprint(i)), sessions)
		p.logs[i].take()
	}
	return p
}

func (p *pair) serve(t *testing.T, i int, socket string, sessions func(*milter.Conn) milter.Session) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := milter.NewServer(sessions, milter.Options{Actions: milter.AllActions, WantHeaderLeadingSpace: true})
	go server.Serve(l) //nolint:errcheck // ends with the test
	p.closers = append(p.closers, func() { server.Close() })
	p.sockets[i] = socket
}

func (p *pair) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
}

// transcript is what one side does with a message: changes, answer, log lines.
func (p *pair) transcript(t *testing.T, i int, m milter.Message) string {
	t.Helper()
	client, err := milter.Dial("unix", p.sockets[i], milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	out, err := client.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range out.Edits {
		kind := string(e.Kind)
		if e.Kind == milter.ReplyQuarantine {
			kind = "quarantine"
		}
		fmt.Fprintf(&b, "%s %d %s %s %s\n", kind, e.Index, e.Name, e.Value, e.Args)
	}
	fmt.Fprintf(&b, "answer %s\n%s\n", out.Final.String(), strings.Join(p.logs[i].take(), "\n"))
	return b.String()
}

// wholeSession collects a message and takes it its way when it has ended.
type wholeSession struct {
	conn     *milter.Conn
	services *message.Services
	snapshot *filter.Snapshot

	leadingSpace bool
	envelope     message.Envelope
	fields       *header.List
	body         []byte
}

func (s *wholeSession) Negotiated(n milter.Negotiation) { s.leadingSpace = n.LeadingSpace }

func (s *wholeSession) Connect(host string, addr milter.ConnAddr) milter.Response {
	s.envelope.ClientName, s.envelope.ClientAddr, s.envelope.Macro = host, addr.Addr.Unmap(), s.conn.Macro
	if !addr.Addr.IsValid() {
		s.envelope.ClientAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return milter.Continue
}

func (s *wholeSession) MailFrom(addr string, _ []string) milter.Response {
	s.fields, s.body, s.envelope.Recipients = new(header.List), nil, nil
	s.envelope.Sender = strings.Trim(addr, "<>")
	return milter.Continue
}

func (s *wholeSession) Rcpt(addr string, _ []string) milter.Response {
	s.envelope.Recipients = append(s.envelope.Recipients, strings.Trim(addr, "<>"))
	return milter.Continue
}

func (s *wholeSession) Header(name, value []byte) milter.Response {
	s.fields.Add(name, value, s.leadingSpace)
	return milter.Continue
}

func (s *wholeSession) Body(chunk []byte) milter.Response {
	s.body = append(s.body, chunk...)
	return milter.Continue
}

func (s *wholeSession) EndOfMessage(e *milter.Edits) milter.Response {
	run := s.services.Whole(s.conn.Context(), &s.snapshot.Snapshot, message.Effects{Counters: true}, s.envelope, s.fields, s.body)
	if run.Outcome == nil {
		return filter.Response(run.Plan.Reply)
	}
	if err := filter.Apply(e, run.Outcome); err != nil {
		return filter.Response(policy.Reply{Action: policy.TempFail, Text: err.Error()})
	}
	return filter.Response(run.Outcome.Reply)
}

func (s *wholeSession) Helo(string) milter.Response    { return milter.Continue }
func (s *wholeSession) Data() milter.Response          { return milter.Continue }
func (s *wholeSession) EndOfHeader() milter.Response   { return milter.Continue }
func (s *wholeSession) Unknown(string) milter.Response { return milter.Continue }
func (s *wholeSession) Abort()                         {}
func (s *wholeSession) Close()                         {}
