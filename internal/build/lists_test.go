package build

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/problem"
	"dojang/internal/testutil/configtest"
)

// samples are two elements of a list of a kind.
func samples(of dataset.Elements) [2]string {
	switch of {
	case dataset.HostElements:
		return [2]string{"127.0.0.1", "192.168.0.7"}
	case dataset.IPAddresses:
		return [2]string{"192.0.2.1", "2001:db8::1"}
	case dataset.Addresses:
		return [2]string{"joe@example.com", "ann@example.net"}
	case dataset.FieldNames, dataset.FieldChanges:
		return [2]string{"From", "To"}
	case dataset.Words:
		return [2]string{"ORIGINATING", "MSA"}
	}
	return [2]string{"example.com", "example.net"}
}

// listOptions are the options whose value is a list of something known.
func listOptions(t *testing.T) []config.Option {
	var found []config.Option
	for _, o := range config.Options() {
		if o.Elements != dataset.AnyElements && o.Type == config.DataSet {
			found = append(found, o)
		}
	}
	if len(found) < 18 {
		t.Fatalf("only %d options have elements of a kind", len(found))
	}
	return found
}

// told returns what a build tells of one option that is set to a value.
func told(t *testing.T, o config.Option, value string) problem.List {
	t.Helper()
	c := configtest.Read(t, "Mode v\n"+o.Name+" "+value+"\n")
	built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
	if built == nil {
		t.Fatalf("%s %s: %v", o.Name, value, problems)
	}
	built.Snapshot.Discard()
	return slices.DeleteFunc(problems, func(p problem.Problem) bool {
		return p.Option != o.Name || strings.Contains(p.Text, "has no effect without") || strings.Contains(p.Text, "not used")
	})
}

// Each list option with each separator that people write for a comma: told, with
// what was meant, and never an error, since OpenDKIM starts with it.
func TestWrongSeparators(t *testing.T) {
	for _, o := range listOptions(t) {
		two := samples(o.Elements)
		for _, right := range []string{",", ", ", " , ", ",\t"} {
			if problems := told(t, o, two[0]+right+two[1]); len(problems) > 0 {
				t.Errorf("%s %s: %v", o.Name, two[0]+right+two[1], problems[0])
			}
		}
		for _, wrong := range []string{" ", "  ", "\t", ";", "; ", " ; ", "|", " | ", ",;"} {
			value := two[0] + wrong + two[1]
			problems := told(t, o, value)
			if len(problems) != 1 || problems[0].Severity != problem.Warning || problems[0].Line != 2 {
				t.Errorf("%s %q: %v", o.Name, value, problems)
				continue
			}
			if wrong != ",;" && !strings.Contains(problems[0].Hint, two[0]+","+two[1]) {
				t.Errorf("%s %q: the hint is %q", o.Name, value, problems[0].Hint)
			}
		}
		file := filepath.Join(t.TempDir(), "list")
		for text, want := range map[string]int{two[0] + "\n" + two[1] + "\n": 0, two[0] + ";\n" + two[1] + "\n": 1,
			two[0] + ",\n" + two[1] + ",\n": 2} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if problems := told(t, o, file); len(problems) != want || want > 0 && (problems[0].File != file || problems[0].Line != 1) {
				t.Errorf("%s with a file %q: %v", o.Name, text, problems)
			}
		}
	}
}

// What is written in the wrong form for its option never matches; the hint is what
// matches.
func TestElementsThatNeverMatch(t *testing.T) {
	options := map[string]config.Option{}
	for _, o := range listOptions(t) {
		options[o.Name] = o
	}
	for _, test := range []struct{ option, value, hint string }{
		{"Domain", "*.example.com", "write example.com, with SubDomains yes"}, {"Domain", ".example.com", "write example.com, with SubDomains yes"},
		{"Domain", "@example.com", "write example.com"}, {"Domain", "example.com.", "write example.com"}, {"Domain", "joe@example.com", "write example.com"},
		{"Domain", "*", ""}, {"Domain", "bücher.example", ""}, {"Domain", "my_host.example", ""}, {"Domain", "localhost", ""},
		{"ExemptDomains", "*.example.com", "in a refile: set"}, {"ExemptDomains", ".example.com", "in a refile: set"}, {"ExemptDomains", "*", "write domains"},
		{"TrustSignaturesFrom", "@lists.example.com", "write lists.example.com"}, {"ATPSDomains", "esp.example.", "write esp.example"},
		{"RemoveARFrom", ".example.com", ""}, {"RemoveARFrom", "*.example.com", "write .example.com"},
		{"ConditionalSignatures", "example.com:lists.example.net", ""}, {"ConditionalSignatures", "*@lists.example.net", "write lists.example.net"},
		{"DontSignMailTo", "*@example.net", "refile:"}, {"DontSignMailTo", "example.net", "*@example.net"}, {"DontSignMailTo", ".example.net", "*@example.net"},
		{"DontSignMailTo", "@example.net", "user@example.net"}, {"DontSignMailTo", "joe@example.net", ""}, {"DontSignMailTo", "-", ""},
		{"BodyLengthDB", "list.example,.sub.example,u@*,joe@example.com,*", ""}, {"BodyLengthDB", "*@list.example", "write list.example"},
		{"InternalHosts", "192.168.*", "refile:"}, {"InternalHosts", "*.example.com", "write .example.com"}, {"InternalHosts", "10.1.2.3/8", "write 10.0.0.0/8"}, {"InternalHosts", "192.168.1", "a whole address"},
		{"InternalHosts", "-", ""}, {"InternalHosts", "10.0.0.0/8,!10.1.0.0/16,.lan.example,2001:db8::/32,[::1],host.example", ""},
		{"SignHeaders", "X-Foo:To:Subject", "X-Foo,To,Subject"}, {"SignHeaders", "*,+autocrypt,-reply-to", ""}, {"SignHeaders", "List-*", ""}, {"SignHeaders", "+autocrypt", "*,+autocrypt"},
		{"SignHeaders", "X-Foo:", "write X-Foo"}, {"OversignHeaders", "From;To", "From,To"}, {"OversignHeaders", "<From>", "From,To,Subject"}, {"OmitHeaders", ".", ""},
		{"SenderHeaders", "List-*", "From,To,Subject"}, {"MustBeSigned", "From/Subject", ""}, {"POPDBFile", "192.0.2.0/24", "IP addresses"},
		{"SignHeaders", "*,X-Foo", "write +X-Foo"}, {"OversignHeaders", "Sub*", "From,To,Subject"}, {"OversignHeaders", "*,+To", ""},
		{"BodyLengthDB", "<joe@example.com>", "user@example.com"}, {"BodyLengthDB", "@example.com", "example.com"}, {"BodyLengthDB", "*@example.*", "refile:"},
		{"InternalHosts", "10.0.0.0/8,!lan.example", "take it out"}, {"InternalHosts", "host.example,!lan.example", ""}, {"MacroList", "=x", "NAME=VALUE"}, {"MacroList", "auth*", "NAME=VALUE"},
		{"MTA", "a b", "a,b"}, {"MacroList", "auth_authen,auth_ssf=128|256,c", ""}, {"MacroList", "{auth_authen}", ""},
	} {
		o, ok := options[test.option]
		if !ok {
			t.Fatalf("%s is no list option", test.option)
		}
		problems := told(t, o, test.value)
		switch {
		case test.hint == "" && len(problems) > 0:
			t.Errorf("%s %s: %v", test.option, test.value, problems[0])
		case test.hint != "" && (len(problems) != 1 || !strings.Contains(problems[0].Hint, test.hint)):
			t.Errorf("%s %s: %v, want a hint with %q", test.option, test.value, problems, test.hint)
			for _, p := range problems {
				t.Log(p.Hint)
			}
		}
	}
}

// In a refile: set OpenDKIM takes all but the dot for a regular expression, where the
// set is looked up; elsewhere there are no patterns at all.
func TestPatternsThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	for _, test := range []struct{ option, text, hint string }{
		{"DontSignMailTo", "*@example.net\njoe+list@example.net\n", ""}, {"DontSignMailTo", "(joe|ann)@example.net\n", "a row for each"},
		{"ExemptDomains", "*.example.[nc]*\n", "a row for each"}, {"ExemptDomains", "*.example.net\n", ""},
		{"InternalHosts", "mx[12].example.net\n", "a row for each"}, {"InternalHosts", "[::1]\n[2001:db8::]/32\n*.example.net\n", ""},
		{"RemoveARFrom", "*.example.net\n", "write .example.net"}, {"RemoveARFrom", "*\n", "write domains"}, {"SenderHeaders", "List-*\n", "From,To,Subject"},
	} {
		i := slices.IndexFunc(listOptions(t), func(o config.Option) bool { return o.Name == test.option })
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		problems := told(t, listOptions(t)[i], "refile:"+file)
		if test.hint == "" && len(problems) > 0 || test.hint != "" && (len(problems) != 1 ||
			!strings.Contains(problems[0].Hint, test.hint)) {
			t.Errorf("%s %q: %v, want %q", test.option, test.text, problems, test.hint)
		}
	}
}

// The lists of configurations that people have published, and those of the cases
// that OpenDKIM itself answered, are as they should be: nothing is told of them.
func TestGoodListsAreNotToldOf(t *testing.T) {
	rightly := []string{ // which OpenDKIM does not match either
		"SignHeaders From,To,X-Foo,Received", "ExemptDomains example.com,.sub.example.com", "DontSignMailTo rcpt@example.net,.list.example,dom.example",
	}
	options := map[string]config.Option{}
	for _, o := range listOptions(t) {
		options[strings.ToLower(o.Name)] = o
	}
	files, _ := filepath.Glob("../config/testdata/wild/*.conf")
	cases, _ := filepath.Glob("../../test/oracle/testdata/cases/*.txtar")
	seen := 0
	for _, file := range append(files, cases...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, text2, isCase := strings.Cut(string(text), "\n-- config --\n")
		if isCase {
			text2, _, _ = strings.Cut(text2, "\n-- ")
		} else {
			text2 = string(text)
		}
		for line := range strings.Lines(text2) {
			line, _, _ = strings.Cut(line, "#")
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			name, rest, _ := strings.Cut(name, "\t")
			value = strings.TrimSpace(rest + " " + value)
			o, ok := options[strings.ToLower(name)]
			if !ok || strings.ContainsAny(value, "/") && !strings.ContainsAny(value, "0123456789") ||
				strings.Contains(value, "DIR/") || value == "" || slices.Contains(rightly, name+" "+value) {
				continue
			}
			if spec, err := dataset.ParseSpec(value); err != nil || spec.Type != dataset.TypeList {
				continue
			}
			seen++
			if problems := told(t, o, value); len(problems) > 0 {
				t.Errorf("%s: %s %s: %v", file, name, value, problems[0])
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d lists were found", seen)
	}
}
