package config

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

func TestTable(t *testing.T) {
	var last string
	for _, o := range Options() {
		low := strings.ToLower(o.Name)
		if low <= last {
			t.Errorf("%s stands behind %s", o.Name, last)
		}
		last = low
		if len(o.Doc) < 25 || !strings.HasSuffix(o.Doc, ".") && !strings.Contains(o.Doc, "Example") || strings.Contains(o.Doc, "\n") {
			t.Errorf("%s: documentation: %q", o.Name, o.Doc)
		}
		if o.Status == Historic {
			continue
		}
		if !slices.Contains([]string{"2.11", "2026", "dojang"}, o.Since) {
			t.Errorf("%s: since %q", o.Name, o.Since)
		}
		if o.Type == Boolean && o.Default != "yes" && o.Default != "no" && o.Name != "" {
			t.Errorf("%s: default %q", o.Name, o.Default)
		}
		for _, text := range append([]string{o.Default}, o.examples()...) {
			if text == "" {
				continue
			}
			if _, problems, keep := o.accept(Value{Text: text}); len(problems) > 0 || !keep {
				t.Errorf("%s: its default or example: %v", o.Name, problems)
			}
		}
	}
	if len(Options()) < 180 {
		t.Errorf("only %d options", len(Options()))
	}
}

func TestFind(t *testing.T) {
	if o := Find("oversignheaders"); o == nil || o.Name != "OversignHeaders" {
		t.Error(o)
	}
	if Find("") != nil {
		t.Error("found nothing's name")
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"KeyTabel": "KeyTable", "signing_table": "SigningTable", "On-BadSignatures": "On-BadSignature", "Sockets": "Socket", "Moed": "Mode", "InternalHost": "InternalHosts",
		"OnDNSError": "On-DNSError", "Cannonicalization": "Canonicalization", "PIDFile": "PidFile", "Umaks": "UMask",
		"ADSPActoin": "ADSPAction", "smtpd_milters": "", "x": "", "": "", strings.Repeat("KeyTable", 10000): "",
	} {
		if got := Nearest(name); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"mode", "moed", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// Every option that Debian's manual page describes is in the table.
func TestDebianManualPage(t *testing.T) {
	testutil.Need(t, "opendkim")
	const page = "/usr/share/man/man5/opendkim.conf.5.gz"
	f, err := os.Open(page)
	if err != nil {
		t.Skip(err) // containers leave manual pages out
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^\.I ([A-Z][A-Za-z0-9-]+) \(([A-Za-z ]+)\)$`)
	found := 0
	for lines := bufio.NewScanner(z); lines.Scan(); {
		m := heading.FindStringSubmatch(strings.ReplaceAll(lines.Text(), `\-`, "-"))
		if m == nil {
			continue
		}
		found++
		o := Find(m[1])
		switch {
		case o == nil:
			t.Errorf("%s is missing", m[1])
		case o.Status == Historic:
			t.Errorf("%s is not historic", m[1])
		case strings.EqualFold(m[2], "boolean") != (o.Type == Boolean) && m[1] != "VBR-PurgeFields": // the page is wrong there
			t.Errorf("%s is of type %s, not %s", m[1], m[2], o.Type)
		}
	}
	if found < 130 {
		t.Fatalf("only %d headings recognised in %s", found, page)
	}
}

// The options that the page says a reload does not obey.
func TestReloadable(t *testing.T) {
	fixed := strings.Fields("AutoRestart AutoRestartCount AutoRestartRate Background PidFile POPDBFile Quarantine " +
		"QueryCache Socket StrictTestMode TestPublicKeys UMask UserID")
	for _, name := range fixed {
		if !Find(name).NeedsRestart {
			t.Errorf("%s is said to be obeyed by a reload", name)
		}
	}
	more := []string{"ChangeRootDirectory", "FlowData", "ReputationCache"} // the page says nothing of them
	for _, o := range Options() {
		if o.NeedsRestart && o.Since == "2.11" && o.Status != Historic && !slices.Contains(fixed, o.Name) &&
			!slices.Contains(more, o.Name) {
			t.Errorf("%s is said not to be obeyed by a reload", o.Name)
		}
	}
}

// TestReadFlags: flags with a value and without, together and apart; the last of two
// counts, and what no option has goes elsewhere.
func TestReadFlags(t *testing.T) {
	var others, told strings.Builder
	set, operands, ok := ReadFlags(&told, []string{"-fD", "-pinet:1", "-x", "/c", "-p", "inet:2", "-vv", "--", "-l"},
		func(letter byte, value string) { fmt.Fprintf(&others, "%c%s ", letter, value) })
	if got, want := fmt.Sprint(set, operands, ok), "[{SubDomains yes} {Background no} {Socket inet:2}] [-l] true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if others.String() != "x/c v v " || told.Len() > 0 {
		t.Errorf("%q, told %q", &others, &told)
	}
	if _, _, ok := ReadFlags(&told, []string{"-j"}, nil); ok || !strings.Contains(told.String(), "invalid option -- 'j'") {
		t.Errorf("%v, told %q", ok, &told)
	}
}

func TestFlags(t *testing.T) {
	letters := ""
	for _, f := range Flags() {
		letters += f.Letter
		if f.Doc == "" || f.TakesValue != (f.Argument != "") {
			t.Errorf("-%s: %+v", f.Letter, f)
		}
		if f.Option == "" {
			continue
		}
		c := New()
		value := f.Value
		if f.TakesValue {
			value = Find(f.Option).examples()[0]
		}
		if problems := c.Set(f.Option, value, CommandLine); problems != nil ||
			c.Field(f.Option).Source() != (Value{Text: value, File: "command line"}) {
			t.Errorf("-%s %s: %v", f.Letter, value, problems)
		}
	}
	// From the synopsis of opendkim(8), with -q of its text and -O of 2026.
	if want := "AbcdDefFklLnoOpPqQrsStTuvVWxX"; letters != want {
		t.Errorf("%s, want %s", letters, want)
	}
}
