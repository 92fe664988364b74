package cost

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/authres"
	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/keyrecord"
	"dojang/internal/report"
	"dojang/taglist"
)

// parsers are the readers of strangers' texts by themselves, with texts that grow.
// Read is what the row is about, as "package.Function".
var parsers = []struct {
	read  string
	shape shape
	run   func(text string)
}{
	{"taglist.Parse", shape{"many tags", one("", func(i int) string { return fmt.Sprintf("t%d=x;", i) }, "")}, parseTags},
	{"taglist.Parse", shape{"a long name", one("", fixed("x"), "=")}, parseTags},
	{"taglist.Parse", shape{"a long value", one("x=", fixed("ü"), "")}, parseTags},
	{"dkim.ParseSignature", shape{"a hash", one("v=1; a=rsa-sha256; d=a.b; s=s; h=From; b=AAAA; bh=", fixed("A\r\n "), "")}, parseSignature},
	{"dkim.ParseKeyRecord", shape{"a key", one("p=", fixed("A"), "")}, parseKey},
	{"dkim.ParseKeyRecord", shape{"blanks in a key", one("p=A", fixed(" "), "A")}, parseKey},
	{"dkim.ParseKeyRecord", shape{"hashes", one("p=; h=x", fixed(":x"), "")}, parseKey},
	{"dkim.ParseKeyRecord", shape{"services", one("p=; s=x", fixed(":x"), "")}, parseKey},
	{"dkim.ParseKeyRecord", shape{"notes", one("p=; n=x", fixed("=20 "), "")}, parseKey},
	{"dkim.ParseKeyRecord", shape{"flags", one("p=; t=y", fixed(":s"), "")}, parseKey},
	{"dkim.ParseKeyTexts", shape{"records", many(fixed("v=DKIM1; p=\x00"))}, func(s string) { dkim.ParseKeyTexts(strings.Split(s, "\x00")) }},
	{"dkim.DecodeQuoted", shape{"octets", many(fixed("=41\r\n "))}, func(s string) { dkim.DecodeQuoted([]byte(s)) }},
	{"dkim.ToASCII", shape{"letters", many(han)}, func(s string) { dkim.ToASCII(s) }},
	{"dkim.ToASCII", shape{"labels", many(fixed("ü."))}, func(s string) { dkim.ToASCII(s) }},
	{"dkim.ToUnicode", shape{"labels", many(fixed("xn--bcher-kva."))}, func(s string) { dkim.ToUnicode(s) }},
	{"header.Parse", shape{"folds", one("x:", fixed("\r\n "), "\r\n\r\n")}, parseHeader},
	{"header.Parse", shape{"fields", many(fixed("x:\n"))}, parseHeader},
	{"header.Parse", shape{"no field", many(fixed("x"))}, parseHeader},
	{"authres.Parse", shape{"comments", many(fixed("("))}, parseResults},
	{"authres.Parse", shape{"methods", one("a", fixed("; a=b"), "")}, parseResults},
	{"authres.Parse", shape{"quotes", one("a; a=\"", fixed(`\"`), "\"")}, parseResults},
	{"report.ParseRecord", shape{"tags", one("r=y", func(i int) string { return fmt.Sprintf("; t%d=x", i) }, "")}, func(s string) { report.ParseRecord(s) }},
	{"report.ParseRecord", shape{"requests", one("rr=all", fixed(":x"), "")}, func(s string) { report.ParseRecord(s) }},
	{"keyrecord.Inspect", shape{"quotes", many(fixed(`"\" `))}, inspect},
	{"keyrecord.Inspect", shape{"a key", one("v=DKIM1; p=", fixed("A "), "")}, inspect},
	{"keyrecord.Inspect", shape{"semicolons", many(fixed(";p=;"))}, inspect},
	{"dataset.ParseSpec", shape{"a list", one("csl:a", fixed(",a=b:c"), "")}, func(s string) { dataset.ParseSpec(s) }},
}

func parseTags(s string)      { taglist.Parse([]byte(s)) }
func parseSignature(s string) { dkim.ParseSignature([]byte(s)) }
func parseKey(s string)       { dkim.ParseKeyRecord(s) }
func parseHeader(s string)    { header.Parse([]byte(s)) }
func parseResults(s string)   { authres.Parse([]byte(s)) }
func inspect(s string)        { keyrecord.Inspect([]string{s}) }

func TestParserCost(t *testing.T) {
	const bytes = 100 << 10
	for _, p := range parsers {
		t.Run(p.read+", "+p.shape.name, func(t *testing.T) {
			cost := func(n int) spent {
				text := p.shape.make(n)
				return measure(t, func() { p.run(text) })
			}
			checkGrowth(t, cost(bytes), cost(2*bytes))
		})
	}
}

// ofOptions read what the administrator wrote, or a word of a signature that the
// message's shapes have.
var ofOptions = []string{"dkim.ParseCanonicalizations", "dkim.ParseAlgorithm",
	"policy.ParseMinimum", "dataset.ParseHostEntry", "keyrecord.ParseFormat"}

// TestEveryParserHasARow finds the parsers in the packages that read strangers' texts.
func TestEveryParserHasARow(t *testing.T) {
	measured := append(slices.Clone(ofOptions), "header.Address")
	for _, p := range parsers {
		measured = append(measured, p.read)
	}
	found := 0
	for _, dir := range []string{"taglist", "header", "authres", "dkim", "internal/dataset", "internal/keyrecord", "internal/report"} {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Parse") &&
					!strings.HasPrefix(f.Name.Name, "Decode") && f.Name.Name != "Inspect" {
					continue
				}
				found++
				if name := file.Name.Name + "." + f.Name.Name; !slices.Contains(measured, name) {
					t.Errorf("%s has no row in the table of parsers", name)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d parsers found", found)
	}
}

// rows are tables as others may write them.
var rows = []struct {
	kind  string
	shape shape
}{
	{"file", shape{"different keys", many(func(i int) string { return fmt.Sprintf("d%d.example k\n", i) })}},
	{"file", shape{"one key", many(fixed("a k\n"))}},
	{"refile", shape{"domains", many(func(i int) string { return fmt.Sprintf("*@d%d.example k\n", i) })}},
	{"refile", shape{"users", many(func(i int) string { return fmt.Sprintf("u%d@* k\n", i) })}},
	{"refile", shape{"general patterns", many(func(i int) string { return fmt.Sprintf("*a*%d*@*.example k\n", i) })}},
	{"refile", shape{"one pattern", many(fixed("*@example.com k\n"))}},
	{"refile", shape{"many stars", one("", fixed("*a"), " k\n")}},
	{"refile", shape{"stars alone", one("", fixed("*"), " k\n")}},
}

// TestTableCost reads tables and asks them as a message does, for the author that
// costs most.
func TestTableCost(t *testing.T) {
	const bytes = 200 << 10
	for _, r := range rows {
		t.Run(r.kind+", "+r.shape.name, func(t *testing.T) {
			cost := func(n int) (reading, asking spent) {
				path := filepath.Join(t.TempDir(), "table")
				if err := os.WriteFile(path, []byte(r.shape.make(n)), 0o600); err != nil {
					t.Fatal(err)
				}
				open := func() dataset.Set {
					set, err := dataset.Open(t.Context(), r.kind+":"+path, dataset.Options{FoldCase: true})
					if err != nil {
						t.Fatal(err)
					}
					return set
				}
				set := open()
				return measure(t, func() { open() }), measure(t, func() {
					user, host := strings.Repeat("a", 255), strings.Repeat("a.", 120)+"example"
					_ = dataset.SigningLookup(t.Context(), set, user, host, 2, true, func(dataset.Entry) bool { return true })
				})
			}
			read1, ask1 := cost(bytes)
			read2, ask2 := cost(2 * bytes)
			checkGrowth(t, read1, read2)
			checkGrowth(t, ask1, ask2)
		})
	}
}
