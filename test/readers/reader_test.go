// Package readers holds what the filter lets through and what it writes against the
// readers of Authentication-Results that people run behind it: the tokenizers of
// OpenDMARC (which is OpenARC's too) and opendkim, compiled from Debian's source, and
// Perl's Mail::AuthenticationResults and Python's authres, each with the ways in which
// octets become text before, SpamAssassin's plugin AuthRes, and rspamd's for results that ARC sealed. Mutants of a
// grammar go to all of them, for FUZZTIME
// (seconds, when it is not set); FUZZSEED repeats a run.
package readers

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// TestReaders is one test, for the tokenizers are fetched and compiled first.
func TestReaders(t *testing.T) {
	all := readers(t)
	for name, test := range map[string]func(*testing.T, []*reader){
		"KnownForgeries":              testKnownForgeries,
		"NoReaderFindsAResultOfOurs":  testNoReaderFindsAResultOfOurs,
		"EveryReaderFindsWhatIsUsual": testEveryReaderFindsWhatIsUsual,
		"KnownValues":                 testKnownValues,
		"NoReaderFindsAnotherValue":   testNoReaderFindsAnotherValue,
	} {
		t.Run(name, func(t *testing.T) { test(t, all) })
	}
}

// reading is what a reader finds in a field's value.
type reading struct {
	id      string
	results []result
}

// result is a method's; names are in lower case.
type result struct {
	method, result string
	properties     []property
}

type property struct{ name, value string }

// reader is a program that reads values, each in hexadecimal on a line, and says what
// it finds as tokenizer.c tells.
type reader struct {
	name string
	in   io.Writer
	out  *bufio.Reader
}

// readers starts them all.
func readers(t *testing.T) []*reader {
	t.Helper()
	const python = "/usr/bin/python3" // for which Debian's packages are
	testutil.Need(t, "perl", "gcc", "rspamadm")
	for _, check := range [][]string{
		{"perl", "-MMail::AuthenticationResults::Parser", "-e1"},
		{python, "-c", "import authres.core"},
		{"perl", "-I" + filepath.Join(testutil.PeersDir, "spamassassin/usr/share/perl5"), "-MMail::SpamAssassin::Plugin::AuthRes", "-e1"},
	} {
		if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil {
			unavailable(t, fmt.Sprintf("%s: %v\n%s", check, err, out))
		}
	}
	dir := apt(t)
	return []*reader{
		start(t, "OpenDMARC", tokenizer(t, dir, "opendmarc")),
		start(t, "opendkim", tokenizer(t, dir, "opendkim")),
		start(t, "Mail::AuthenticationResults", "perl", "testdata/reader.pl", "octets"),
		start(t, "Mail::AuthenticationResults, decoded", "perl", "testdata/reader.pl", "decoded"),
		start(t, "authres", python, "testdata/reader.py", "plain"),
		start(t, "authres, decoded", python, "testdata/reader.py", "header"),
		start(t, "SpamAssassin", "perl", "testdata/spamassassin.pl", filepath.Join(testutil.PeersDir, "spamassassin/usr/share/perl5")),
		start(t, "rspamd", testutil.Need(t, "rspamadm"), "lua", "-b", "testdata/reader.lua"),
	}
}

func start(t *testing.T, name, program string, args ...string) *reader {
	t.Helper()
	cmd := exec.Command(program, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	proctest.Start(t, cmd)
	w.Close()
	t.Cleanup(func() { out.Close() })
	return &reader{name: name, in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// read returns what the reader finds in each value; nil where it finds no field.
func (r *reader) read(values [][]byte) ([]*reading, error) {
	failed := make(chan error, 1)
	go func() {
		var lines bytes.Buffer
		for _, value := range values {
			lines.WriteString(hex.EncodeToString(value) + "\n")
		}
		_, err := r.in.Write(lines.Bytes())
		failed <- err
	}()
	found := make([]*reading, len(values))
	for i := range found {
		line, err := r.out.ReadString('\n')
		if err == nil {
			found[i], err = parse(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, of %q: %w", r.name, values[i], err)
		}
	}
	return found, <-failed
}

func parse(line string) (*reading, error) {
	line = strings.TrimSuffix(line, "\n")
	if line == "-" {
		return nil, nil
	}
	var all error
	text := func(s string) string {
		b, err := hex.DecodeString(s)
		all = errors.Join(all, err)
		return string(b)
	}
	words := strings.Split(line, " ")
	found := &reading{id: text(words[0])}
	for _, word := range words[1:] {
		parts := strings.Split(word, "/")
		if len(parts)%2 != 0 {
			return nil, fmt.Errorf("%q is no result", word)
		}
		res := result{method: strings.ToLower(text(parts[0])), result: strings.ToLower(text(parts[1]))}
		for i := 2; i < len(parts); i += 2 {
			res.properties = append(res.properties, property{strings.ToLower(text(parts[i])), text(parts[i+1])})
		}
		found.results = append(found.results, res)
	}
	return found, all
}

// askAll asks all readers about the values, at the same time.
func askAll(t *testing.T, all []*reader, values [][]byte) [][]*reading {
	t.Helper()
	found, errs := make([][]*reading, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { found[i], errs[i] = r.read(values) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return found
}
