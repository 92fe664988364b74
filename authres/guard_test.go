package authres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

const ours = "mx.example.com"

func guard(names ...string) *Guard { return NewGuard(names, []string{"dkim", "dkim-atps", "vbr"}) }

var long = strings.Repeat("x", 400_000)

// TestTrap16WhoseResults: our name in all the forms a forger may give it.
func TestTrap16WhoseResults(t *testing.T) {
	for name, value := range map[string]string{
		"plain":                         " mx.example.com; dkim=pass",
		"no blank":                      "mx.example.com; dkim=pass",
		"folded":                        "\r\n\tmx.example.com;\r\n\tdkim=pass",
		"capitals":                      " MX.Example.COM; dkim=pass",
		"quoted":                        ` "mx.example.com"; dkim=pass`,
		"quoted with escapes":           ` "m\x.\example.co\m"; dkim=pass`,
		"quoted with blanks":            ` " mx.example.com "; dkim=pass`,
		"quoted with folds around":      " \"\r\n mx.example.com\r\n \"; dkim=pass",
		"quoted without end":            ` "mx.example.com`,
		"trailing dot":                  " mx.example.com.; dkim=pass",
		"quoted trailing dot":           ` "mx.example.com."; dkim=pass`,
		"version":                       " mx.example.com 1; dkim=pass",
		"version nobody knows":          " mx.example.com 999999999999; dkim=pass",
		"comment before":                " (x) mx.example.com; dkim=pass",
		"comments nested before":        " (a (b (c) \\) ) ) (d)mx.example.com; dkim=pass",
		"comment after":                 " mx.example.com(x); dkim=pass",
		"comment inside":                " mx(x).example.com; dkim=pass",
		"blanks inside":                 " mx . example\r\n .com; dkim=pass",
		"version after the dot":         " mx.example.com. 1; dkim=pass",
		"blank after a dot":             " mx. example. (x) com; dkim=pass",
		"dots and open comments":        " mx.example.com (; " + strings.Repeat(".(", 200_000),
		"comment without end":           " mx.example.com (; dkim=pass",
		"comment without end before":    " ( mx.example.com; dkim=pass",
		"end of comment too many":       " ) mx.example.com; dkim=pass",
		"no semicolon":                  " mx.example.com dkim=pass",
		"nothing but the name":          " mx.example.com",
		"no result":                     " mx.example.com;",
		"unreadable tail":               " mx.example.com; !!!",
		"unreadable tail of 8 bit":      " mx.example.com; \xff\xfe=\x00",
		"NUL after":                     " mx.example.com\x00; dkim=pass",
		"NUL before":                    " \x00mx.example.com; dkim=pass",
		"NUL inside":                    " mx.exa\x00mple.com; dkim=pass",
		"control characters":            "\x01\x02 mx.example.com\x7f; dkim=pass",
		"property nobody knows":         " mx.example.com; dkim=pass future.thing=1",
		"4 kB":                          " mx.example.com; dkim=pass (" + long[:4000] + ")",
		"400 kB":                        " mx.example.com; dkim=pass (" + long + ")",
		"400 kB of comment before":      " (" + long + ") mx.example.com; dkim=pass",
		"400 kB of nesting before":      " " + strings.Repeat("(", 200_000) + strings.Repeat(")", 200_000) + " mx.example.com; dkim=pass",
		"400 kB of open comments":       " " + strings.Repeat("(", 400_000) + " mx.example.com; dkim=pass",
		"400 kB of blanks before":       strings.Repeat(" ", 400_000) + "mx.example.com; dkim=pass",
		"400 kB of comments inside":     " mx" + strings.Repeat("(x)", 130_000) + ".example.com; dkim=pass",
		"400 kB of property":            " mx.example.com; dkim=pass header.x=" + long,
		"slash and version, as a token": " mx.example.com/1; dkim=pass",
		"comma":                         " mx.example.com, dkim=pass",
		"backslash":                     ` mx.\example.com; dkim=pass`,
		"backslash before":              ` \mx.example.com; dkim=pass`,
		"quotes inside":                 ` mx."example".com; dkim=pass`,
		"quotes inside a label":         ` mx.ex"ampl"e.com; dkim=pass`,
		"quotes before":                 ` "m"x.example.com; dkim=pass`,
		"quotes and blanks":             ` "mx" . "example".com; dkim=pass`,
		"quotes of nothing":             ` ""mx.example.com""; dkim=pass`,
		"a quote without end":           ` "mx.example.com; dkim=pass`,
		"a quote without end inside":    ` mx.exam"ple.com; dkim=pass`,
		"400 kB of quotes":              " mx.example" + strings.Repeat(`""`, 200_000) + ".com; dkim=pass",
		"400 kB of backslashes":         ` mx.example.com; "` + strings.Repeat(`\`, 400_000),
		"parenthesis within":            " mx.exam)ple.com; dkim=pass",
		"parentheses within":            " m)x.exam))ple.)com); dkim=pass",
		"escaped parenthesis before":    ` \( mx.example.com; dkim=pass`,
		"escaped comment before":        ` \(x mx.example.com; dkim=pass`,
		"quoted parenthesis before":     ` "(" mx.example.com; dkim=pass`,
		"quoted comment before":         ` "(x; y" mx.example.com; dkim=pass`,
		"quoted comment within":         ` mx "(x" . example.com; dkim=pass`,
		"dots in quotes":                ` mx "." example "." com; dkim=pass`,
		"escaped dots":                  ` mx \. example \. com; dkim=pass`,
		"empty quotes before a comment": ` ""(x) mx.example.com; dkim=pass`,
		"the field's own name":          " Authentication-Results: mx.example.com; dkim=pass",
		"the field's own name, twice":   " authentication-results:\tAuthentication-Results: mx.example.com; dkim=pass",
		"encoded word":                  " =?utf-8?q?mx.example.com?=; dkim=pass",
		"encoded word of everything":    " =?us-ascii?Q?mx.example.com=3B_dkim=3Dpass?=",
		"encoded word of a part":        " mx.=?utf-8?b?ZXhhbXBsZQ==?=.com; dkim=pass",
		"encoded word, no padding":      " =?x?B?bXguZXhhbXBsZS5jb20?=; dkim=pass",
		"encoded word of 16 bits":       " =?utf-16be?q?=00m=00x=00.=00e=00x=00a=00m=00p=00l=00e=00.=00c=00o=00m?=; dkim=pass",
		"encoded word of 7 bits":        " =?utf-7?q?mx+AC4-example+AC4-com?=; dkim=pass",
		"encoded word in capitals":      " =?UTF-7?Q?mx+AC4-example+AC4-com?=; dkim=pass",
		"full width":                    " ｍｘ．ｅｘａｍｐｌｅ．ｃｏｍ; dkim=pass",
		"ideographic dots":              " mx。example。com; dkim=pass",
		"no-break space before":         " \u00a0mx.example.com; dkim=pass",
		"no-break space of Latin-1":     " \xa0mx.example.com\xa0; dkim=pass",
		"zero width within":             " mx.exa\u200bmple.com; dkim=pass",
		"soft hyphen within":            " mx.exa\u00admple.com; dkim=pass",
		"wide space behind":             " mx.example.com\u3000x; dkim=pass",
		"invalid octets within":         " mx.exa\xff\xfemple.com; dkim=pass",
		"job":                           " mx.example.com/4XyZ; dkim=pass",
		"word behind":                   " mx.example.com by=x; dkim=pass",
		"vertical tab":                  " mx.example.com\v; dkim=pass",
		"method in quotes":              ` mx.example.com; "dkim"=pass`,
		"method with an escape":         ` mx.example.com; dk\im=pass`,
		"method with quotes within":     ` mx.example.com; d"ki"m=pass`,
		"method of a version":           " mx.example.com; dkim (a) / (b) 1 (c) = pass",
		"method with a Kelvin sign":     " mx.example.com; d\u212aim=pass",
		"method in capitals":            " mx.example.com; DKIM=pass",
		"method in a comment":           ` mx.example.com; spf=none (a\) smtp.mailfrom=x; dkim=pass header.d=bank.example (b) )`,
		"method in a reason":            ` mx.example.com; spf=none reason="; dkim=pass header.d=bank.example"`,
		"method in an encoded word":     ` mx.example.com; spf=none reason="=?utf-8?q?=3B_dkim=3Dpass?="`,
		"method behind quotes":          ` mx.example.com; spf=none ";" dkim = pass`,
		"method behind an open comment": " mx.example.com; spf=none (; dkim=pass",
		"atps":                          " mx.example.com; dkim-atps=pass",
		"vouching":                      " mx.example.com; vbr=pass header.md=bank.example",
		"nothing but the name, spoilt":  " mx.example.com.)",
	} {
		if forged, _ := guard(ours).Forged([]byte(value)); !forged {
			t.Errorf("%s stays: %q", name, value[:min(len(value), 80)])
		}
	}
}

// TestForeignResultsStay: what no reader takes for a result of ours.
func TestForeignResultsStay(t *testing.T) {
	for name, value := range map[string]string{
		"longer":                        " mx.example.com.example.org; dkim=pass",
		"longer label":                  " mx.example.community; dkim=pass",
		"with a hyphen":                 " mx.example.com-2; dkim=pass",
		"with a plus":                   " mx.example.com+x; dkim=pass",
		"prefix":                        " xmx.example.com; dkim=pass",
		"label before":                  " a.mx.example.com; dkim=pass",
		"shorter":                       " example.com; dkim=pass header.d=mx.example.com",
		"in a comment":                  " example.com (mx.example.com); dkim=pass",
		"first a comment":               " (mx.example.com) example.com; dkim=pass",
		"in a comment of a comment":     " (a (mx.example.com) b) example.com; dkim=pass",
		"in the tail":                   " example.com; mx.example.com; dkim=pass",
		"in a reason":                   ` example.com; dkim=pass reason="mx.example.com; dkim=pass"`,
		"in a result":                   " example.com; dkim=pass (mx.example.com; dkim=pass) header.i=@mx.example.com",
		"in an encoded word":            ` example.com; dkim=pass reason="=?utf-8?q?mx.example.com?="`,
		"in quotes":                     ` "mx.example.com mail"; dkim=pass`,
		"quoted":                        ` "example.com"; dkim=pass`,
		"with an escape in a comment":   ` example.com (a \) mx.example.com; dkim=pass`,
		"very long":                     " mx.example.com" + long + "; dkim=pass",
		"IDN":                           " почта.mx.example.com; dkim=pass",
		"IDN joined":                    " почтаmx.example.com; dkim=pass",
		"A-labels":                      " xn--80a1acny.mx.example.com; dkim=pass",
		"unreadable":                    " example.com; !!! mx.example.com; dkim=pass",
		"no name":                       " spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=mx.example.com; dkim=pass",
		"escaped, longer":               ` mx.example.com\.example.org; dkim=pass`,
		"spoilt, longer":                ` mx.example.com).example.org; dkim=pass`,
		"spoilt":                        ` exam)ple.com; dkim=pass header.d=mx.example.com`,
		"spoilt, label before":          ` a)a.mx.example.com; dkim=pass`,
		"job":                           " example.com/mx.example.com; dkim=pass",
		"nothing":                       "",
		"blank":                         " ",
		"semicolon":                     " ; dkim=pass",
		"comment":                       " (x)",
		"empty quotes":                  ` ""; dkim=pass`,
		"open comments":                 " ((((",
		"NUL":                           "\x00",
		"ours, SPF":                     " mx.example.com; spf=pass smtp.mailfrom=joe@dkim.example",
		"ours, SPF of a domain of DKIM": " mx.example.com; spf=pass (mx.example.com: domain of dkim@dkim.example) smtp.mailfrom=dkim@dkim.example",
		"ours, a longer method":         " mx.example.com; x-dkim=pass; dkim-adsp=pass; dkim_diff=pass; xdkim=pass",
		"ours, a property":              " mx.example.com; spf=pass policy.dkim=x",
		"ours, by a policy server": " mx.example.com; spf=pass (sender SPF authorized) smtp.mailfrom=example.net" +
			" (client-ip=192.0.2.1; helo=dkim.example.net; envelope-from=joe@dkim.example.net; receiver=<UNKNOWN>)",
		"ours, by OpenDMARC":                  " mx.example.com; dmarc=pass (p=reject dis=none) header.from=example.net",
		"ours, none":                          " mx.example.com; none",
		"named as characters are, unreadable": " utf-7.example \\; dkim=pass",
		"characters behind another's name":    " =?us-ascii?q?other.example?= (utf-7); dkim=pass",
	} {
		if forged, _ := guard(ours).Forged([]byte(value)); forged {
			t.Errorf("%s goes: %q", name, value[:min(len(value), 80)])
		}
	}
}

// TestGuardOfSeveral: names of other kinds, and all methods.
func TestGuardOfSeveral(t *testing.T) {
	for _, c := range []struct {
		names, methods []string
		value          string
		want           bool
	}{
		{[]string{".example.com"}, nil, "a.example.com; spf=pass", true},
		{[]string{".example.com"}, nil, "a.b.example.com.; spf=pass", true},
		{[]string{".example.com"}, nil, `a.\example.com; spf=pass`, true},
		{[]string{".example.com"}, nil, "example.com; spf=pass", false},
		{[]string{".example.com"}, nil, ".example.org; spf=pass", false},
		{[]string{".example.com"}, nil, "a.other.example; spf=pass", false},
		{[]string{"a.example", "b.example"}, nil, "b.example; spf=pass", true},
		{[]string{"a.example"}, nil, "a.example; spf=pass", true},
		{[]string{"a.example"}, []string{"spf"}, "a.example; spf=pass", true},
		{[]string{"a.example"}, []string{"spf"}, "a.example; dmarc=pass", false},
		{[]string{"a.example"}, []string{"IPrev"}, "a.example; iprev=pass", true},
		{[]string{"a.example."}, nil, "A.Example; spf=pass", true},
		{[]string{"почта.example"}, nil, "xn--80a1acny.example; spf=pass", true},
		{[]string{"xn--80a1acny.example"}, nil, "ПОЧТА.example; spf=pass", true},
		{[]string{"xn--80a1acny.example"}, nil, `п"о"чта.\example; spf=pass`, true},
		{[]string{"почта.example"}, nil, `xn--80a1acny.\example; spf=pass`, true},
		{[]string{"почта.пример"}, nil, `xn--80a1acny.\пример; spf=pass`, true},
		{[]string{"bücher.example"}, nil, "bu\u0308cher.example; spf=pass", true},
		{[]string{"почта.example"}, nil, "xn--80a1acn.example; spf=pass", false},
		{[]string{"mail_1.example"}, nil, "MAIL_1.example; spf=pass", true},
		{[]string{"ki.example"}, nil, "\u212aI.example; spf=pass", true},
		{[]string{"", ".", ".."}, nil, "; spf=pass", false},
		{[]string{"", ".", ".."}, nil, `""; spf=pass`, false},
		{[]string{"", ".", ".."}, nil, `"."; spf=pass`, false},
		{[]string{"", ".", ".."}, nil, `\.example.com; spf=pass`, false},
		{[]string{"a b"}, nil, `"a b"; spf=pass`, true},
		{[]string{strings.Repeat("a.", 126) + "a"}, nil, `\` + strings.Repeat("a.", 126) + "a; spf=pass", true},
	} {
		if got, _ := NewGuard(c.names, c.methods).Forged([]byte(c.value)); got != c.want {
			t.Errorf("%q, %q: %q is forged: %v", c.names, c.methods, c.value, got)
		}
	}
}

// TestGuardTakesLinearTime: a value of 600 kB takes a moment at most, whatever is in it.
func TestGuardTakesLinearTime(t *testing.T) {
	for _, piece := range []string{
		"a.(", "(", "()", `"`, `\`, "mx.example.com(", "m", "=?utf-8?q?x?=", "=?", "ü", "xn--ü.", "Authentication-Results:", "\xff", "mx.\u200b", "dkim(", "dkim/1",
	} {
		begin := testutil.ProcessorTime(t)
		guard(ours).Forged([]byte(strings.Repeat(piece, 600_000/len(piece))))
		if d := testutil.ProcessorTime(t) - begin; d > 5*time.Second {
			t.Errorf("600 kB of %q take %v", piece, d)
		}
	}
}

func TestFormsOf(t *testing.T) {
	got := formsOf("почта.a.пример")
	slices.Sort(got)
	want := []string{"xn--80a1acny.a.xn--e1afmkfd", "xn--80a1acny.a.пример", "почта.a.xn--e1afmkfd", "почта.a.пример"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	// Of many international labels each way to mix them is ours, though not all have a form.
	name := strings.Repeat("почта.", 12) + "example"
	if n := len(formsOf(name)); n != 16 {
		t.Errorf("%d forms", n)
	}
	mixed := strings.Repeat("почта.", 10) + strings.Repeat("xn--80a1acny.", 2) + "example"
	if forged, _ := guard(name).Forged([]byte(" =?utf-8?q?" + mixed + "?=; dkim=pass")); !forged {
		t.Errorf("%s stays", mixed)
	}
}

// TestGuardGetsTired: what is hard to read costs no more than a bound in all fields of a
// message together, and what is beyond it is taken for ours if a result is in it.
func TestGuardGetsTired(t *testing.T) {
	newGuard := func() *Guard { return NewGuard([]string{ours}, []string{"dkim"}) }
	hard := map[string]string{
		"comments":    strings.Repeat("(m", 20_000) + "other.example; dkim=pass",
		"conversions": strings.Repeat("(一二三", 2_000) + "other.example; dkim=pass",
		"A-labels":    strings.Repeat("xn--bcher-kva.", 17) + "example; dkim=pass",
	}
	for what, value := range hard {
		g := newGuard()
		forged := false
		for range 50 {
			f, _ := g.Forged([]byte(value))
			forged = forged || f
		}
		if !forged || !g.tired() || g.effort > maxEffort+len(value) {
			t.Errorf("%s: forged %v, effort %d", what, forged, g.effort)
		}
		for value, want := range map[string]bool{
			" other.example; dkim=pass":               false, // is plain
			" (a) \"other.example\" (b) 1; dkim=pass": false,
			" other.)example; dkim=pass":              true, // is not
			" почта.)other.example; dkim=pass":        true,
			" mx.example.com; dkim=pass":              true,
		} {
			if forged, _ := g.Forged([]byte(value)); forged != want {
				t.Errorf("%s, then %s: %v", what, value, forged)
			}
		}
	}
	g := newGuard() // honest mail tires nobody
	for range 30 {
		if forged, _ := g.Forged([]byte(" почта.example (проверено); dkim=pass header.d=почта.example")); forged {
			t.Error("a field in another name goes")
		}
	}
	// Behind comments of whatever length our name is found.
	if forged, _ := newGuard().Forged([]byte(strings.Repeat("(x) ", 20_000) + `\` + ours + "; dkim=pass")); !forged {
		t.Error("our name behind comments stays")
	}
}

// TestGuardRereads what bears our name and has no result of ours, so far as it is hard to
// read only to a bound in all fields together.
func TestGuardRereads(t *testing.T) {
	tail := "; spf=none (" + strings.Repeat("m", maxEffort) + ")"
	for value, most := range map[string]int{" mx.example.com" + tail: 100, ` "mx.\example.com"` + tail: 4} {
		g := guard(ours)
		for i := range 100 {
			if forged, _ := g.Forged([]byte(value)); forged && i < most-1 || !forged && i >= most {
				t.Fatalf("%.20s: of %d such fields the last is forged: %v", value, i+1, forged)
			}
		}
	}
}

// TestLongLabels are not converted, however they are written: decoding one takes the square of
// its length.
func TestLongLabels(t *testing.T) {
	for n, want := range map[int]bool{10: true, 300: false} {
		label, err := names.ToASCII(strings.Repeat("ü", n))
		wide := strings.Map(func(r rune) rune { return r - '!' + '\uff01' }, label)
		if got := string(appendMapped(nil, []byte(wide))); err != nil || (got != label) != want {
			t.Errorf("%d letters: %.60s, %v", n, got, err)
		}
		if got := canonicalName(label); (got != label) != want {
			t.Errorf("%d letters: %.60s", n, got)
		}
	}
}

// TestLongNames: of a long name the beginning is looked for.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("a123456789.", 20) + "example"
	g := NewGuard([]string{long}, []string{"dkim"})
	for value, want := range map[string]bool{
		long + "; dkim=pass": true,
		strings.Replace(long, ".", ").", 1) + "; dkim=pass":      true,
		strings.Replace(long, "a1", "b1", 1) + "; dkim=pass":     false,
		long[:60] + ".other.example; dkim=pass":                  false,
		long[:60] + ").other.example; dkim=pass":                 false,
		long + ".other.example; dkim=pass":                       false,
		"a" + strings.Replace(long, ".", ")", 1) + "; dkim=pass": false,
	} {
		if forged, _ := g.Forged([]byte(" " + value)); forged != want {
			t.Errorf("%s: %v", value, forged)
		}
	}
}

// TestEncodedWordWithoutEnd: Python's reader of header fields takes it for one.
func TestEncodedWordWithoutEnd(t *testing.T) {
	for _, value := range []string{
		"=?utf-8?q?=6Dx.example.com=3B_dkim=3Dpass", "=?utf-8?b?bXguZXhhbXBsZS5jb207IGRraW09cGFzcw==", "=?utf-8?q?",
	} {
		forged, _ := NewGuard([]string{ours}, []string{"dkim"}).Forged([]byte(" " + value))
		if want := len(value) > 20; forged != want {
			t.Errorf("%s: %v", value, forged)
		}
	}
}

// TestMixedLabels: each label of an international name has its own form, and letters that
// a look-up maps.
func TestMixedLabels(t *testing.T) {
	for _, name := range []string{"xn--80a1acny.kioſk.example", "почта.kio\u017fk.example",
		"xn--80a1\u24d0cny.kiosk.example", "ｘn--80a1acny.kio\u24e2k.example",
		"xn--80a1acny。kioſk.example", "xn--80a1acny.kiosk.ex\u00adample", "почта.ｋiosk.example", "xn--80a1acny.kio)ſk.example"} {
		for _, ours := range []string{"xn--80a1acny.kiosk.example", "почта.kiosk.example"} {
			if forged, _ := NewGuard([]string{ours}, []string{"dkim"}).Forged([]byte(name + "; dkim=pass")); !forged {
				t.Errorf("%s stays", name)
			}
		}
	}
}
