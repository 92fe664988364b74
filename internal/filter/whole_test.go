package filter_test

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
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
	{"StatisticsPolicyScript DIR/count.lua"},
	{"FinalPolicyScript DIR/final.lua", "FinalPolicyScript DIR/broken.lua", "FinalPolicyScript DIR/odd.lua", "FinalPolicyScript DIR/held.lua", "FinalPolicyScript DIR/mute.lua"},
	{"SetupPolicyScript DIR/other.lua", "SetupPolicyScript DIR/refuse.lua", "ScreenPolicyScript DIR/ignore.lua"},
	{"SelectCanonicalizationHeader X-Canon"}, {"ReplaceHeaders Subject,From"}, {"DefaultSender me@example.com"}, {"OmitHeaders Subject,To"}, {"IdentityHeaderRemove yes\nIdentityHeader X-Id"},
	{"MTA DEBUG-daemon_name"}, {"MacroList foo=DEBUG-foo", "MacroList foo"}, {"POPDBFile DIR/none"}, {"RequireSenderMatch yes"}, {"InternalHosts refile:/nonexistent"},
	{"ExemptDomains file:DIR/list", "ExternalIgnoreList file:DIR/list", "ResignMailTo file:DIR/list"}, {"CaptureUnknownErrors yes"}, {"On-DNSError reject", "On-DNSError quarantine"},
	{"On-InternalError reject", "On-InternalError accept"}, {"VBR-Type all\nVBR-Certifiers v.example:w.example"}, {"VBR-PurgeFields yes"}, {"RemoveARMethods spf,dmarc"}, {"ClockDrift 100000000"},
	{"MaximumKeyBits 1024"}, {"KeyCacheSize 1"}, {"TestPublicKeys /dev/null"}, {"DiagnosticDirectory DIR"}, {"KeepTemporaryFiles yes\nTemporaryDirectory DIR"},
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

// What scripts can ask of the MTA that it may not take as it stands, and header's end.
var oddScripts = map[string]string{
	"odd.lua": `odkim.add_header(ctx, "X-Odd", "a\r\n b\1c%d") odkim.add_header(ctx, "X-Odd", "") odkim.add_header(ctx, "X-Odd", "\tx \n\ty\255")
odkim.del_header(ctx, "Subject", 0) odkim.add_rcpt(ctx, "a b\200@x") odkim.del_rcpt(ctx, "recipient@example.com")
odkim.set_reply(ctx, "451", "", "a\1b%s\200") odkim.set_result(ctx, SMFIS_TEMPFAIL)`,
	"held.lua":   `odkim.quarantine(ctx, "a\nb\1%d") odkim.set_result(ctx, SMFIS_ACCEPT) odkim.set_reply(ctx, "550", "5.1.1", ("x"):rep(500))`,
	"mute.lua":   `odkim.set_reply(ctx, "550", "5.1.1", "") odkim.set_result(ctx, SMFIS_REJECT) odkim.quarantine(ctx, "")`,
	"refuse.lua": `odkim.set_result(ctx, SMFIS_REJECT) odkim.set_reply(ctx, "550", "5.7.1", "no")`,
	"ignore.lua": `for i = 0, odkim.get_sigcount(ctx) - 1 do odkim.sig_ignore(odkim.get_sighandle(ctx, i)) end odkim.set_result(ctx, SMFIS_DISCARD)`,
	"other.lua": `odkim.use_ltag(ctx) odkim.signfor(ctx, "user@example.com") odkim.xtag(ctx, "xx", "y") odkim.sign(ctx, "k1")
odkim.replace_header(ctx, "Subject", 0, "another\n one") odkim.log(ctx, "hello\nworld")`,
	"list": "example.com\n*@example.com\n10.0.0.0/8\n",
}

var keyLines = []string{
	"Domain example.com\nSelector sel\nKeyFile KEYS/rsa2048.pem",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa2048.pem\nSigningTable csl:example.com=k1",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa2048.pem,k2=example.com:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k1:k2",
	"KeyTable csl:k1=example.com:sel:/nonexistent,k2=example.com:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k1:k2",
	"KeyTable csl:k1=example.com:sel:KEYS/rsa512.pem,k2=%:sed:KEYS/ed25519.pem\nSigningTable csl:example.com=k2,example.net=k1,user@example.com=k9",
}

// TestFilterAndToolsAgree: whatever the configuration and the message, what is there
// whole, and what opendkim -t and testmsg --as-filter read from a file, is answered,
// changed and logged as what comes over the socket step by step. PeerList, which tools
// do not ask, is not among the options.
func TestFilterAndToolsAgree(t *testing.T) {
	configurations := 100
	if testutil.Long() {
		configurations = 2000
	}
	names, err := filepath.Glob("../../test/oracle/testdata/messages/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no messages: %v", err)
	}
	random, odd := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
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
		same := func(name, one, other string) {
			if diff := cmp.Diff(one, other); diff != "" {
				t.Errorf("configuration %d, %s: (-filter +tool)\n%s\nunder\n%s", i, name, diff, text)
			}
			for word := range strings.FieldsSeq(one) {
				seen[word]++
			}
		}
		for range 3 {
			name := names[random.IntN(len(names))]
			m := randomMessage(t, random, odd, name)
			if _, _, err := header.Parse(m.Raw); err != nil {
				continue
			}
			same(fmt.Sprint(filepath.Base(name), m.Addr.Addr, m.Macros), p.overSocket(t, m), p.whole(t, m))
		}
		sent, tested := p.fromFiles(t, random, names)
		p.restart(t) // what counts messages has seen none
		for k, m := range sent {
			same(tested[k].File, p.overSocket(t, m), testedTranscript(t, tested[k]))
		}
		p.close()
		if t.Failed() {
			return
		}
	}
	// What the comparison has met: without it, it would say nothing.
	for _, word := range []string{"DKIM-Signature", "Authentication-Results", "550", "451", "tempfail", "quarantine", "X-Seen", "X-Odd"} {
		if seen[word] == 0 {
			t.Errorf("no message met %s", word)
		}
	}
	if seen["refused"] > configurations/2 {
		t.Errorf("%d of %d configurations are refused", seen["refused"], configurations)
	}
}

func randomMessage(t *testing.T, random, odd *rand.Rand, name string) milter.Message {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw = spoiled(odd, raw)
	if odd.IntN(3) == 0 {
		raw = madeOdd(odd, raw)
	}
	raw = withCRLF(raw)
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

// pair is one configuration, behind a socket and for messages that are there whole.
type pair struct {
	path     string
	log      [2]*recorder
	snapshot *filter.Snapshot // of whole messages
	services *message.Services
	socket   string
	stop     func() // the filter of the socket
}

func newPair(t *testing.T, text string) *pair {
	t.Helper()
	dir := t.TempDir()
	keys, err := filepath.Abs("../../test/oracle/testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	place := strings.NewReplacer("DIR", dir, "KEYS", keys)
	files := maps.Clone(decisiveFiles)
	maps.Copy(files, oddScripts)
	files["conf"] = place.Replace(text)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &pair{path: filepath.Join(dir, "conf"), services: message.NewServices(nil, then)}
	if p.snapshot = p.build(t, 1); p.snapshot == nil {
		return nil
	}
	p.serve(t)
	return p
}

func then() time.Time { return time.Unix(1_795_000_000, 0) }

// build makes a snapshot, nil where the configuration cannot be used.
func (p *pair) build(t *testing.T, side int) *filter.Snapshot {
	t.Helper()
	c, problems := config.Load(p.path)
	if problems.HasErrors() {
		return nil
	}
	p.log[side] = new(recorder)
	built, _ := build.Snapshot(t.Context(), c, build.Parts{Log: slog.New(p.log[side]), Account: build.Account{UID: os.Getuid()}})
	p.log[side].take()
	if built == nil {
		return nil
	}
	return built.Snapshot
}

func (p *pair) serve(t *testing.T) {
	t.Helper()
	f := filter.New(p.build(t, 0), nil, then)
	server := milter.NewServer(f.SessionMaker(filter.AsConfigured), milter.Options{})
	p.socket = filepath.Join(filepath.Dir(p.path), "s")
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l) //nolint:errcheck // ends with the test
	p.stop = func() { server.Close(); f.Close() }
}

func (p *pair) restart(t *testing.T) {
	p.stop()
	p.serve(t)
}

func (p *pair) close() {
	p.stop()
	p.snapshot.Discard()
}

// overSocket is what the filter does with a message: changes, answer, log lines.
func (p *pair) overSocket(t *testing.T, m milter.Message) string {
	t.Helper()
	client, err := milter.Dial("unix", p.socket, milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	out, err := client.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return transcript(out.Edits, out.Final.String(), p.log[0].take())
}

func transcript(edits []milter.Edit, answer string, log []string) string {
	var b strings.Builder
	for _, e := range edits {
		kind := string(e.Kind)
		if e.Kind == milter.ReplyQuarantine {
			kind = "quarantine"
		}
		fmt.Fprintf(&b, "%s %d %s %s\n", kind, e.Index, e.Name, strings.ReplaceAll(e.Value, "\r\n", "\n"))
	}
	fmt.Fprintf(&b, "answer %s\n%s\n", answer, strings.Join(log, "\n"))
	return b.String()
}

var editKinds = map[policy.EditOp]byte{policy.InsertField: milter.ReplyInsertHeader, policy.AppendField: milter.ReplyAddHeader,
	policy.ChangeField: milter.ReplyChangeHeader, policy.DeleteField: milter.ReplyChangeHeader,
	policy.AddRecipient: milter.ReplyAddRcpt, policy.DeleteRecipient: milter.ReplyDelRcpt}

// whole is what is done with a message that is there whole.
func (p *pair) whole(t *testing.T, m milter.Message) string {
	t.Helper()
	fields, body, err := header.Parse(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	run := p.services.Whole(t.Context(), &p.snapshot.Snapshot, message.Effects{Counters: true}, message.Envelope{
		Origin: message.Origin{ClientName: m.Host, ClientAddr: m.Addr.Addr, Macro: func(name string) string { return m.Macros[name] }},
		Sender: m.From, Recipients: m.Rcpts,
	}, fields, body)
	reply := run.Plan.Reply
	var edits []milter.Edit
	if o := run.Outcome; o != nil {
		reply = o.Reply
		for _, e := range o.Edits {
			edits = append(edits, milter.Edit{Kind: editKinds[e.Op], Index: uint32(e.Index), Name: e.Name, Value: e.Value})
		}
		edits = held(edits, o.Quarantine)
	}
	return transcript(edits, answerOf(reply.Action.String(), reply.Code, reply.Status, reply.Text), p.log[1].take())
}

func held(edits []milter.Edit, reason string) []milter.Edit {
	if reason == "" {
		return edits
	}
	return append(edits, milter.Edit{Kind: milter.ReplyQuarantine, Value: reason})
}

// answerOf is a reply as the MTA is given it.
func answerOf(action string, code int, status, text string) string {
	switch {
	case code != 0 && status != "":
		return fmt.Sprint(code, " ", status, " ", text)
	case code != 0:
		return fmt.Sprint(code, " ", text)
	case action == "continue", action == "quarantine":
		return "accept"
	}
	return action
}
