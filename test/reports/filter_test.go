// Package reports compares what dojang and Debian's opendkim leave behind a
// message: reports about failed signatures, diagnostic files, statistics, and
// the results of ATPS and VBR.
package reports

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func keyRecord(t *testing.T, tags string) string {
	t.Helper()
	return strings.Replace(testutil.KeyRecord(testutil.RSAKey()), "p=", tags+"p=", 1)
}

// fault is what is done to a message after it was signed.
type fault uint8

const (
	none fault = iota
	wrongBody
	wrongHeader
)

// signed is a message with a signature; a fault is done to what is signed.
func signed(t *testing.T, message string, f fault, o dkim.SignOptions) string {
	t.Helper()
	message = strings.ReplaceAll(message, "\n", "\r\n")
	was := message
	switch f {
	case wrongBody:
		was += "more\r\n"
	case wrongHeader:
		was = strings.Replace(message, "\r\nSubject: a test\r\n", "\r\nSubject: as it was\r\n", 1)
	}
	if f != none && was == message {
		t.Fatalf("nothing to change in %q", message)
	}
	if o.Domain == "" {
		o.Domain = "example.com"
	}
	if o.Selector == "" {
		o.Selector = "sel"
	}
	o.Key = testutil.RSAKey()
	return filtertest.Signature(t, was, o) + message
}

// filter is one of the two at work.
type filter struct {
	*filtertest.Filter
	name, dir string
}

// start runs a filter with a configuration in which DIR is a folder of its own.
func start(t *testing.T, name, program, config string, files map[string]string) *filter {
	t.Helper()
	dir := testutil.SecureDir(t)
	return &filter{filtertest.Start(t, program, dir, config, files), name, dir}
}

// both starts opendkim and ours under the same configuration.
func both(t *testing.T, config string, files map[string]string) (theirs, ours *filter) {
	t.Helper()
	program := testutil.Need(t, "opendkim")
	testutil.NeedRoot(t)
	theirs = start(t, "opendkim", program, config, files)
	ours = start(t, "ours", filtertest.Ours(t), config, files)
	return theirs, ours
}

// send puts a message through the filter and returns the edits it asks for.
func (f *filter) send(t *testing.T, message string, change ...func(*milter.Message)) milter.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client, err := milter.Dial("unix", f.Socket, milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Quit()
	m := filtertest.Outside(message)
	for _, c := range change {
		c(&m)
	}
	o, err := client.Send(ctx, m)
	if err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	return o
}

// await returns a file when it is there and complete.
func (f *filter) await(t *testing.T, name, end string) string {
	t.Helper()
	var text []byte
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(filepath.Join(f.dir, name))
		if len(text) > 0 && strings.HasSuffix(string(text), end) {
			return strings.ReplaceAll(string(text), f.dir, "DIR")
		}
	}
	t.Fatalf("%s: no complete %s, but %q", f.name, name, text)
	return ""
}

var ipv6 = netip.MustParseAddr("2001:db8::1")

const message = `From: User One <user@example.com>
To: rcpt@example.net
Subject: a test
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <1@example.com>

Hello  world. 

A second line.
`
