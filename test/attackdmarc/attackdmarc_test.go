// Package attackdmarc is a stranger who writes mail in the name of a domain with
// p=reject, through a real Postfix, the filter and OpenDMARC: whatever he puts into
// results, signatures and addresses, OpenDMARC never says dmarc=pass. Where he needs
// the filter's help to be believed, a filter that keeps his fields shows that the attack
// is one.
package attackdmarc

import (
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dmarctest"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/smtptest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const host = dmarctest.Host

// message is by an author at the bank.
func message(more ...string) string {
	return strings.Join(more, "") + "From: Ann <ann@bank.example>\r\nTo: joe@dojang.example\r\nSubject: a test\r\n" +
		"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@bank.example>\r\n\r\nHello.\r\n"
}

func results(value string) string { return "Authentication-Results: " + value + "\r\n" }

// signed has a good signature by the stranger.
func signed(t *testing.T, domain, identity, message string) string {
	t.Helper()
	return filtertest.Signature(t, message, dkim.SignOptions{
		Domain: domain, Identity: identity, Selector: "sel", Key: testutil.RSAKey(), HeaderCanonicalization: dkim.Relaxed,
	}) + message
}

// nameServer has the bank's policy and the stranger's key.
func nameServer(t *testing.T, signers ...string) *dnstest.Server {
	t.Helper()
	server := dnstest.OnPort53(t)
	server.AddTXT("_dmarc.bank.example", "v=DMARC1; p=reject")
	for _, domain := range append(signers, "evil.example") {
		server.AddTXT("sel._domainkey."+domain, testutil.KeyRecord(testutil.RSAKey()))
	}
	return server
}

// site is a server under attack.
type site struct {
	far  *smtptest.Sink
	mta  string
	sent int
}

func start(t *testing.T, server *dnstest.Server, configuration string) *site {
	t.Helper()
	s := &site{}
	s.far, s.mta = dmarctest.Start(t, server.Addr, configuration)
	return s
}

// deliver sends a message, in the bank's name in the envelope too, and returns what
// arrives.
func (s *site) deliver(t *testing.T, message string) string {
	t.Helper()
	s.sent++
	rcpt := fmt.Sprintf("joe%d@dojang.example", s.sent)
	if err := smtp.SendMail(s.mta, nil, "ann@bank.example", []string{rcpt}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	return string(s.far.Await(t, rcpt))
}

const claim = "dkim=pass header.d=bank.example header.i=@bank.example"

// forgeries are fields under our name, by what is done to it.
func forgeries() map[string]string {
	all := map[string]string{
		"a comment that ends early":   host + `; spf=none (a\) smtp.mailfrom=x; ` + claim + ` (b) )`,
		"a parenthesis that does not": host + `; spf=none smtp.mailfrom=a\(; ` + claim + ")",
		"a quoted semicolon":          host + `; spf=none ";" ` + claim,
		"quotes in the method":        host + `; d"ki"m=pass header.d=bank.example`,
		"an escape in the method":     host + `; dk\im=pass header.d=bank.example`,
		"blanks around all":           host + ` ; dkim = pass header . d = bank.example`,
		"another result before":       host + "; auth=pass; " + claim,
		"a broken tail":               host + "; " + claim + "; !!!",
	}
	labels := strings.Split(host, ".")
	for what, name := range map[string]string{
		"plain":                              host,
		"capitals":                           strings.ToUpper(host),
		"quotes":                             `"` + host + `"`,
		"a final dot":                        host + ".",
		"comments and a version":             "(x) " + host + " (y) 1",
		"a backslash":                        `\` + host,
		"a backslash within":                 `mx.do\jang.example`,
		"quotes within":                      `mx.do"jan"g.example`,
		"a parenthesis in a label":           "mx.do)jang.example",
		"parentheses in each label":          "m)x.do)))jang.exampl)e",
		"a parenthesis behind":               host + ")",
		"an escaped parenthesis before":      `\( ` + host,
		"an escaped comment before":          `\(x.y ` + host,
		"a quoted parenthesis before":        `"(" ` + host,
		"a quoted comment before":            `"(x; y" ` + host,
		"a quoted comment within":            `mx "(x" . dojang . example`,
		"blanks":                             strings.Join(labels, " . "),
		"comments":                           strings.Join(labels, " (x) . (y) "),
		"quoted dots":                        strings.Join(labels, ` "." `),
		"escaped dots":                       strings.Join(labels, ` \. `),
		"quoted labels":                      `"` + strings.Join(labels, `"."`) + `"`,
		"folds":                              strings.Join(labels, "\r\n\t.\r\n "),
		"all of them":                        `\( "(" "m)x" \. (c) do\j)ang "." "(" ex)amp"l"e (c) 1`,
		"the field's own name":               "Authentication-Results: " + host,
		"an encoded word":                    "=?utf-8?q?mx.dojang.example?=",
		"a job":                              host + "/4XyZ",
		"a wide space":                       host + "\u3000",
		"full width":                         "ｍｘ.dojang.example",
		"a soft hyphen":                      "mx.do\u00adjang.example",
		"empty quotes and a comment":         `""(x) ` + host,
		"an escaped blank before the dot":    `mx\ .dojang.example`,
		"a tab and a parenthesis":            "mx\t.\tdojang)\t.example",
		"an empty comment before the dot":    "mx () .dojang.example",
		"a nested comment before":            "(a (b) c) " + host,
		"a comment of quotes before":         `(" ) ` + host,
		"a comment of an open quote within":  `mx ("x) . dojang.example`,
		"a version nobody knows":             host + " 99",
		"an escaped parenthesis, twice":      `\(\( ` + host,
		"a label in quotes with parenthesis": `mx."do)jang".example`,
	} {
		all[what] = name + "; " + claim
	}
	return all
}

// believed are forgeries that OpenDMARC believes when nobody removes them.
const believed = 25

// TestForgedResults: an unsigned message, and one that the stranger signs, with a result
// in our name; and on the way of exempted domains.
func TestForgedResults(t *testing.T) {
	server := nameServer(t)
	var all []string
	for _, value := range forgeries() {
		all = append(all, results(value))
	}
	t.Run("kept", func(t *testing.T) {
		kept, passed := start(t, server, "KeepAuthResults yes\n"), 0
		for _, value := range forgeries() {
			if dmarctest.Result(kept.deliver(t, message(results(value))), "dmarc") == "pass" {
				passed++
			}
		}
		if t.Logf("OpenDMARC believes %d of %d forgeries", passed, len(all)); passed < believed {
			t.Errorf("OpenDMARC believes %d forgeries alone: these are no attacks", passed)
		}
	})
	for _, configuration := range []string{"", "ExemptDomains bank.example\n", "RemoveARMethods spf,dmarc,arc,iprev\n",
		"IgnoreMalformedMail yes\nStrictHeaders yes\n"} {
		t.Run("removed, "+strings.TrimSpace(configuration), func(t *testing.T) {
			s := start(t, server, configuration)
			for what, value := range forgeries() {
				for who, raw := range map[string]string{
					"unsigned":              message(results(value)),
					"signed":                signed(t, "evil.example", "", message(results(value))),
					"beside others' fields": message(results("other.example; "+claim), results(value), results("(x) other.example (y); spf=pass")),
				} {
					got := s.deliver(t, raw)
					if word := dmarctest.Result(got, "dmarc"); word != "fail" {
						t.Errorf("%s, %s: dmarc=%s\n%s", what, who, word, got)
					}
					if who == "beside others' fields" &&
						(!strings.Contains(got, results("other.example; "+claim)) ||
							!strings.Contains(got, results("(x) other.example (y); spf=pass"))) {
						t.Errorf("%s: fields in another name did not stay\n%s", what, got)
					}
				}
			}
			if got := s.deliver(t, message(all...)); dmarctest.Result(got, "dmarc") != "fail" {
				t.Errorf("all at once:\n%s", got)
			}
		})
	}
}

// TestResultsOfOthersInOurName: spf= and others are kept for policy servers, and a
// stranger's are believed, unless RemoveARMethods names them.
func TestResultsOfOthersInOurName(t *testing.T) {
	server := nameServer(t)
	forged := map[string]string{
		"spf":       host + "; spf=pass smtp.mailfrom=bank.example",
		"spf, helo": host + "; spf=pass smtp.mailfrom=bank.example smtp.helo=bank.example",
		"spf, form": `mx.do)jang.example; s"p"f=pass smtp.mailfrom=bank.example`,
		"dmarc":     host + "; dmarc=pass header.from=bank.example",
		"arc":       host + "; arc=pass arc.chain=bank.example",
		"iprev":     host + "; iprev=pass policy.iprev=192.0.2.1",
	}
	t.Run("kept", func(t *testing.T) {
		s := start(t, server, "")
		for _, what := range []string{"spf", "spf, helo"} {
			if got := s.deliver(t, message(results(forged[what]))); dmarctest.Result(got, "dmarc") != "pass" {
				t.Errorf("%s: OpenDMARC does not believe it: what SECURITY.md says is wrong\n%s", what, got)
			}
		}
	})
	t.Run("removed", func(t *testing.T) {
		s := start(t, server, "RemoveARMethods spf,dmarc,arc,iprev\n")
		for what, value := range forged {
			for _, raw := range []string{message(results(value)), signed(t, "evil.example", "", message(results(value)))} {
				got := s.deliver(t, raw)
				if dmarctest.Result(got, "dmarc") != "fail" || strings.Contains(got, value) {
					t.Errorf("%s:\n%s", what, got)
				}
			}
		}
	})
}

// TestValuesOfSignatures: the stranger's own good signature, whose domain or identity
// another reader divides or cuts.
func TestValuesOfSignatures(t *testing.T) {
	// OpenDMARC cuts a value behind 256 octets. The first of these names ends there with
	// the bank's, written in UTF-8, in which its labels have four octets for each letter.
	wide := strings.Repeat("\U00020000", 50)
	long := strings.Repeat("a", 256-4*len([]rune(wide))-len("..bank.example")) + "." + wide + ".bank.example.evil.example"
	inASCII, ok := dkim.ToASCII(long)
	if !ok || long[:256] != strings.TrimSuffix(long, ".evil.example") {
		t.Fatalf("%d octets, %v", len(long), ok)
	}
	s := start(t, nameServer(t, inASCII), "")
	for what, c := range map[string]struct{ domain, identity string }{
		"by another":              {"evil.example", ""},
		"an equals sign first":    {"evil.example", "=header.d=bank.example@evil.example"},
		"cut behind 256 octets":   {"evil.example", "=header.d=" + strings.Repeat("a", 242) + ".bank.example.x@evil.example"},
		"cut behind 255 octets":   {"evil.example", "=header.d=" + strings.Repeat("a", 205) + ".bank.example.x@evil.example"},
		"dots":                    {"evil.example", "x..header.d=bank.example@evil.example"},
		"a final dot":             {"evil.example", "x.@evil.example"},
		"quotes":                  {"evil.example", `" header.d=bank.example "@evil.example`},
		"escaped quotes":          {"evil.example", `"a\"; ` + claim + ` x=\""@evil.example`},
		"a semicolon":             {"evil.example", `"a; ` + claim + ` b"@evil.example`},
		"parentheses":             {"evil.example", `"(x"@evil.example`},
		"the bank's address":      {"evil.example", `"ann@bank.example"@evil.example`},
		"an encoded word":         {"evil.example", "=?utf-8?q?=22=3B_dkim=3Dpass_header=2Ed=3Dbank=2Eexample?=@evil.example"},
		"a long name":             {long, ""},
		"a long name in ASCII":    {inASCII, ""},
		"a long name in identity": {inASCII, "@" + long},
	} {
		got := s.deliver(t, signed(t, c.domain, c.identity, message()))
		if word := dmarctest.Result(got, "dmarc"); word != "fail" {
			t.Errorf("%s: dmarc=%s\n%s", what, word, got)
		}
	}
}

// TestManySignatures: OpenDMARC has room for 16 results and 1,024 octets of a field, and
// writes behind its end. A good signature below many wrong ones is found all the same.
func TestManySignatures(t *testing.T) {
	s := start(t, nameServer(t, "bank.example"), "MaximumSignaturesToVerify 100\n")
	many := message()
	for range 40 {
		many = signed(t, "evil.example", "", many)
	}
	if got := s.deliver(t, many); dmarctest.Result(got, "dmarc") != "fail" {
		t.Errorf("of another:\n%s", got)
	}
	good := signed(t, "bank.example", "", message())
	wrong := strings.TrimSuffix(signed(t, "evil.example", "", message("Subject: another\r\n")), message("Subject: another\r\n"))
	good = strings.Repeat(wrong, 40) + good
	if got := s.deliver(t, good); dmarctest.Result(got, "dmarc") != "pass" {
		t.Errorf("of another and the author:\n%s", got)
	}
	if got := s.deliver(t, strings.Repeat("DKIM-Signature:\r\n", 2000)+message()); dmarctest.Result(got, "dmarc") != "fail" {
		t.Errorf("of nobody:\n%s", got)
	}
}
