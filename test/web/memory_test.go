package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// kilobytes is a figure of /proc/PID/status.
func kilobytes(t *testing.T, p *proctest.Process, name string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), name+":")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("%s: %q", name, number)
	}
	return n
}

// TestStatusMemory: what the filter remembers of messages, a full ring and more domains than have
// a row of their own, adds at most 4 MB to the most that its process ever has in memory.
func TestStatusMemory(t *testing.T) {
	dir := testutil.SecureDir(t)
	proctest.Run(t, "", filepath.Join(testutil.Build(t), "dojang"), "genkey", "-d", "example.com", "-s", "k", "-D", dir)
	const domains, messages = 300, 2100
	var keys, rows strings.Builder
	for i := range domains {
		fmt.Fprintf(&keys, "k%d d%d.example.com:k:%s/k.private\n", i, i, dir)
		fmt.Fprintf(&rows, "*@d%d.example.com k%d\n", i, i)
	}
	files := map[string]string{"KeyTable": keys.String(), "SigningTable": rows.String()}
	peak := func(more string) int {
		f := filtertest.Start(t, filtertest.Ours(t), dir,
			"Mode sv\nKeyTable refile:DIR/KeyTable\nSigningTable refile:DIR/SigningTable\nNameservers 127.0.0.1:1\n"+more, files)
		c := f.Dial(t, milter.ClientOptions{})
		for i := range messages {
			m := filtertest.Outside(fmt.Sprintf("From: somebody.with.a.name@d%d.example.com\r\nSubject: x\r\nDate: Tue, 24 "+
				"Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHello.\r\n", i%domains))
			m.Macros["i"] = fmt.Sprintf("4F1A2B%08X", i)
			if _, err := c.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		kb := kilobytes(t, f.Process, "VmHWM")
		f.Signal(os.Interrupt)
		f.Wait(20 * time.Second)
		return kb
	}
	var without, with []int
	for range 2 {
		without = append(without, peak(""))
		with = append(with, peak("StatusSocket local:DIR/status.sock mode=0600\nStatusFile DIR/status"))
	}
	slices.Sort(without)
	slices.Sort(with)
	t.Logf("VmHWM without %v kB, with %v kB", without, with)
	if more := with[0] - without[0]; more > 4<<10 {
		t.Errorf("%d kB more", more)
	}
}

// TestPagesMemory: four of the largest messages at once, and hundreds of checks of texts, in the room
// that the unit gives (MemoryMax=256M).
func TestPagesMemory(t *testing.T) {
	p := startWeb(t, nil, "--listen", "127.0.0.1:0", "--nameservers", "127.0.0.1:1")
	start := kilobytes(t, p.Process, "VmHWM")
	line := strings.Repeat("Hello, this is a line of a large message, as they come.\r\n", 10<<20/57-100)
	message := "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=x; h=from; bh=eA==; b=eQ==\r\nFrom: " +
		"a@example.com\r\n\r\n" + line
	answers := make(chan string, 5)
	for range cap(answers) {
		go func() {
			r, err := http.Post(p.at("/api/v1/explain"), "message/rfc822", strings.NewReader(message))
			if err != nil {
				answers <- err.Error()
				return
			}
			r.Body.Close()
			answers <- r.Status
		}()
	}
	explained := 0
	for range cap(answers) {
		if <-answers == "200 OK" {
			explained++
		}
	}
	for range 200 {
		r, err := http.Post(p.at("/api/v1/check"), "text/plain", bytes.NewReader([]byte("v=DKIM1; p="+strings.Repeat("A", 4000))))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	most := kilobytes(t, p.Process, "VmHWM")
	t.Logf("VmHWM %d kB at the start, %d kB at most; %d explained", start, most, explained)
	if explained < 4 || most > 256<<10 || start > 40<<10 {
		t.Errorf("%d explained, from %d to %d kB", explained, start, most)
	}
}
