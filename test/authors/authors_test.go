// Package authors holds the judge of RequireSenderMatch against programs that show From to
// people: what it lets be signed for one login, none of them shows as another's.
package authors

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"net/mail"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/policy"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// The readers take one value in base64 a line and print the addresses that they find and
// show, each in base64.

const python = `
import sys, base64, re, warnings
from email import message_from_bytes, policy
from email.utils import getaddresses, parseaddr
from email.header import decode_header, make_header
warnings.simplefilter("ignore")
looks = re.compile(r'[^\s<>()",:;\[\]\\@]+@[\w-]+(?:\.[\w-]+)+')
def old(value, found):
    for name, address in getaddresses([value]) + [parseaddr(value)]:
        found.append(address)
        found.extend(looks.findall(str(make_header(decode_header(name)))))
def compat32(message, found):
    value = message_from_bytes(message)["From"]
    old(str(value), found)
    decoded = str(make_header(decode_header(value)))
    old(decoded, found)
    found.extend(looks.findall(decoded))
def modern(message, found):
    field = message_from_bytes(message, policy=policy.default)["From"]
    for a in field.addresses:
        found.append(a.addr_spec)
        found.extend(looks.findall(a.display_name))
    found.extend(looks.findall(str(field)))
for line in sys.stdin:
    message, found = b"From:" + base64.b64decode(line) + b"\r\n\r\n", []
    for reader in compat32, modern:
        try:
            reader(message, found)
        except Exception:
            pass
    print(*(base64.b64encode(a.encode("utf-8", "replace")).decode() for a in set(found) if "@" in a))
`

const perl = `
use strict; use Mail::Address; use MIME::Base64; use Encode;
while (my $line = <STDIN>) {
	my $value = decode_base64($line);
	$value =~ s/\r\n//g;
	my %found;
	for my $text ($value, eval { decode('MIME-Header', $value) } // '') {
		for my $a (Mail::Address->parse($text)) {
			$found{$a->address} = 1;
			for my $shown ($a->phrase, $a->comment, $a->name) {
				my $plain = eval { decode('MIME-Header', $shown // '') } // '';
				$found{$1} = 1 while $plain =~ /([^\s<>()",:;\[\]\\@]+@[\w-]+(?:\.[\w-]+)+)/g;
			}
		}
	}
	print join(' ', map { encode_base64(encode('UTF-8', $_), '') } grep { /@/ } keys %found), "\n";
}
`

// goMail is the reader of Go's library.
func goMail(value string) (found []string) {
	list, _ := mail.ParseAddressList(value)
	for _, a := range list {
		found = append(found, a.Address, a.Name)
	}
	return found
}

func TestNoReaderShowsAnother(t *testing.T) {
	count := 4000
	if testutil.Long() {
		count = 200_000
	}
	const seed = 5
	r := rand.New(rand.NewPCG(seed, 0))
	var values []string
	signed := 0
	for range count {
		value := " " + shape(r)
		if signs(t, value) {
			values = append(values, value)
			signed++
		}
	}
	if signed < count/50 {
		t.Fatalf("%d of %d are signed: this compares little", signed, count)
	}
	var input strings.Builder
	for _, v := range values {
		input.WriteString(base64.StdEncoding.EncodeToString([]byte(v)) + "\n")
	}
	readers := map[string][]string{
		"Python's email":       strings.Split(proctest.Ask(t, input.String(), testutil.Need(t, "python3"), "-c", python), "\n"),
		"Perl's Mail::Address": strings.Split(proctest.Ask(t, input.String(), testutil.Need(t, "perl"), "-e", perl), "\n"),
	}
	seen, wrong := 0, 0
	check := func(reader, value, address string) {
		at := strings.LastIndexByte(address, '@')
		if at < 0 {
			return
		}
		seen++
		domain := strings.ToLower(strings.Trim(address[at+1:], ". \t\r\n"))
		if ascii, ok := dkim.ToASCII(domain); ok {
			domain = ascii
		}
		if domain != "example.com" && strings.Contains(domain, ".") && dkim.ValidDomain(domain) {
			if wrong++; wrong <= 20 {
				t.Errorf("%s shows %q of %q", reader, address, value)
			}
		}
	}
	for i, v := range values {
		for name, answers := range readers {
			for word := range strings.FieldsSeq(answers[i]) {
				address, err := base64.StdEncoding.DecodeString(word)
				if err != nil {
					t.Fatal(err)
				}
				check(name, v, string(address))
			}
		}
		for _, address := range goMail(v) {
			check("Go's net/mail", v, address)
		}
	}
	t.Logf("%d values, %d signed, %d addresses shown, %d of them another's", count, signed, seen, wrong)
}

// TestOrdinaryAuthorsAreSigned: what people's programs write is not taken for another's.
func TestOrdinaryAuthorsAreSigned(t *testing.T) {
	for _, v := range []string{
		"joe@example.com", "Joe <joe@example.com>", `"Oe, Joe" <joe@example.com>`, "Joe J. Oe <joe@example.com>", `"joe@example.com" <joe@example.com>`,
		"'joe@example.com' <joe@example.com>", "=?UTF-8?Q?J=C3=B6_=C3=96?= <joe@example.com>", "=?utf-8?B?7J207Iic7Iug?=\r\n =?utf-8?B?7J207Iic7Iug?= <joe@example.com>",
		"=?euc-kr?B?wMy8+L3F?= <joe@example.com>", "=?ks_c_5601-1987?B?wMy8+L3F?= <joe@example.com>", "=?gb2312?B?1cXI/Q==?= <joe@example.com>", "=?Shift_JIS?B?jVKTYw==?= <joe@example.com>",
		"=?windows-1251?Q?=C8=E2=E0=ED?= <joe@example.com>", "이순신 <joe@example.com>", "joe@example.com (Joe Oe)", "Joe via list <list@example.com>", "Team: joe@example.com, ann@example.com;",
		`"Joe \"the boss\" Oe" <joe@example.com>`, "Joe Oe (Example Inc.) <joe@example.com>", "Example Inc. <joe@example.com>", "joe+tag@example.com", "Joe @ Work <joe@example.com>",
	} {
		if !signs(t, " "+v) {
			t.Errorf("%q is not signed", v)
		}
	}
}

// signs reports whether mail with that From is signed for the login joe@example.com, whom
// Sender names.
func signs(t *testing.T, from string) bool {
	t.Helper()
	fields := new(header.List)
	fields.AddRaw([]byte("Sender: joe@example.com"))
	fields.AddRaw([]byte("From:" + from))
	domains, err := dataset.Open(t.Context(), "csl:example.com", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &policy.Rules{Sign: true, Authors: policy.Authors{SenderHeaders: []string{"Sender"}},
		Keys: policy.Keys{Domain: domains, DefaultKey: &keystore.SigningKey{Selector: "s"}}}
	r.RequireSenderMatch.Required = true
	macros := map[string]string{"auth_type": "PLAIN", "auth_authen": "joe@example.com"}
	p := r.Plan(context.Background(), &policy.Facts{Fields: fields, Macro: func(name string) string { return macros[name] }})
	return len(p.Sign) > 0
}

var (
	junk = []string{"", "", "", "", " ", "\t", "\r\n ", "(x)", "(x(y))", "(", ")", `"`, `""`, `\`, "<", ">", ",", ";", ":", "[", "]", "=?utf-8?q?", "?=", "?= =?utf-8?q?", "=?utf-8?q??=", "'", "`", "\u200b", "\x00", "=", "_", "@", "."}
	ats  = []string{"@", "@", "@", " @ ", "=40", "=?utf-8?q?=40?=", "=?us-ascii?b?QA==?=", "＠", `\@`, `"@"`, "(x)@(y)", "@@", "%40", "&#64;", "+AEA-"}
	dots = []string{".", ".", ".", " . ", "=2E", "(x).", "。", `\.`, `"."`, ".."}
	good = []string{"joe@example.com", "<joe@example.com>", "<joe@example.com>", `"joe"@example.com`, "joe @ example.com", "<@relay.example:joe@example.com>"}
	name = []string{"Joe", "Joe Oe", `"Joe Oe"`, "(Joe)", "Joe J. Oe", "=?utf-8?q?J=C3=B6?=", "J\xc3\xb6", "team:", "via", "@", "a@b"}
)

// shape is a value of From with the login's address and, in some disguise, another.
func shape(r *rand.Rand) string {
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	disguise := func() string {
		s := "ceo" + pick(junk) + pick(ats) + pick(junk) + "bank" + pick(dots) + pick(junk) + "example"
		switch r.IntN(7) {
		case 0:
			s = `"` + s + `"`
		case 1:
			s = "(" + s + ")"
		case 2:
			s = "<" + s + ">"
		case 3:
			s = "=?utf-8?q?" + strings.NewReplacer(" ", "_", "\r\n", "").Replace(s) + "?="
		case 4:
			s = "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
		}
		return s
	}
	var b strings.Builder
	for range 1 + r.IntN(4) {
		switch r.IntN(5) {
		case 0:
			b.WriteString(disguise())
		case 1, 2:
			b.WriteString(pick(name))
		default:
			b.WriteString(pick(good))
		}
		b.WriteString(pick([]string{" ", " ", "", ", ", "\r\n ", ";", pick(junk)}))
	}
	return b.String() + pick([]string{"", pick(good)})
}
