package service

import (
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func netipAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

func uidOf(t testing.TB, name string) int {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skip(err)
	}
	id, err := strconv.Atoi(u.Uid)
	must(t, err)
	return id
}

func gidOf(t testing.TB, name string) int {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Skip(err)
	}
	id, err := strconv.Atoi(g.Gid)
	must(t, err)
	return id
}

func ownerOf(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	s := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", s.Uid, s.Gid)
}

func modeOf(t testing.TB, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Mode().Perm()
}

// procStatus reads /proc/PID/status, blanks between the words of a value.
func procStatus(t testing.TB, pid int) map[string]string {
	t.Helper()
	return readStatus(t, fmt.Sprintf("/proc/%d/status", pid))
}

func readStatus(t testing.TB, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	return status
}

// children returns the processes that a process has started.
func children(t testing.TB, parent int) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !runs(pid) {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}
