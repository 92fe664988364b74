package cluster

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/loadgen"
	"dojang/internal/testutil"
	"dojang/milter"
)

// share is how much of a core each filter may use here, in percent: with two cores for
// filters, databases and load, one filter would have them all.
const share = 12

// bounded gives a process no more than its share of a core, and returns the folder of its
// group, "" where that cannot be done.
func bounded(t *testing.T, pid int) string {
	t.Helper()
	name := fmt.Sprintf("dojang-cluster-%d", pid)
	for _, kind := range []struct{ root, file, value string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", strconv.Itoa(share * 1000)},
		{"/sys/fs/cgroup", "cpu.max", strconv.Itoa(share*1000) + " 100000"},
	} {
		group := filepath.Join(kind.root, name)
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 { // the kernel may take a moment to see that it is empty
				if os.Remove(group) == nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			t.Errorf("%s stays", group)
		})
		if os.WriteFile(filepath.Join(group, kind.file), []byte(kind.value), 0o644) == nil &&
			os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644) == nil {
			return group
		}
	}
	return ""
}

// throttled is how often the kernel held the processes of a group back.
func throttled(group string) int {
	text, err := os.ReadFile(filepath.Join(group, "cpu.stat"))
	_, count, ok := strings.Cut(string(text), "nr_throttled ")
	n, bad := strconv.Atoi(strings.SplitN(count, "\n", 2)[0])
	if err != nil || !ok || bad != nil {
		return 0
	}
	return n
}

// TestRateGrows has one, two and three filters, each with the same share of a core,
// sign what they bear. Where the machine has less to give than their shares, it tells
// nothing of them.
func TestRateGrows(t *testing.T) {
	if !testutil.Long() {
		t.Skip("SCALE=long")
	}
	w, full := newWorld(t), true
	var groups []string
	for _, f := range w.filters {
		groups = append(groups, bounded(t, f.Pid()))
	}
	t.Cleanup(func() { // before their groups go
		for _, f := range w.filters {
			f.Stop()
		}
	})
	body := strings.Repeat("a line of text\r\n", 200)
	o := loadgen.Options{Network: "tcp", Address: host + ":8890", Connections: 12, Duration: 6 * time.Second}
	o.Make = func(n int64, to *milter.Message) string {
		to.From = "a@" + domain(int(n))
		to.Raw = append(to.Raw[:0], fmt.Sprintf("From: a@%s\r\nSubject: s\r\n\r\n%s", domain(int(n)), body)...)
		return "DKIM-Signature"
	}
	client := milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 25}
	o.Message.Envelope = milter.Envelope{Host: "c.example", Addr: client, Rcpts: []string{"b@example.org"}}
	rates := make([]float64, filters+1)
	for up := filters; up > 0; up-- {
		var before []int
		for _, group := range groups {
			before = append(before, throttled(group))
		}
		report, err := loadgen.Run(t.Context(), o)
		must(t, err)
		if report.Errors > 0 {
			t.Errorf("%d filters: %d errors: %v", up, report.Errors, report.FirstError)
		}
		rates[up] = report.Rate()
		t.Logf("%d filters: %.0f messages a second, p99 %v", up, report.Rate(), report.P99)
		for i, group := range groups[:up] { // in most of the 60 tenths of a second
			times := throttled(group) - before[i]
			full = full && times > 30
			t.Logf("filter %d was held back %d times", i+1, times)
		}
		w.filters[up-1].Stop()
		time.Sleep(time.Second) // the balancer sees it
	}
	if !full {
		t.Skip("the filters did not have their shares of the cores all the time")
	}
	if rates[2] < 1.3*rates[1] || rates[3] < 1.6*rates[1] {
		t.Errorf("with %d %% of a core each the rate does not grow with the filters: %.0f", share, rates[1:])
	}
}
