package doctor

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/config"
)

// processes are those that run, with what can be read of them.
func processes() []process {
	entries, _ := os.ReadDir("/proc")
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		if err != nil {
			continue // a kernel's thread, or another user's
		}
		p := process{PID: pid, Name: strings.TrimSuffix(filepath.Base(exe), " (deleted)")}
		if text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); err == nil {
			p.Args = strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		}
		if p.ours() {
			text, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
			p.environment = strings.Split(string(text), "\x00")
		}
		if text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat")); err == nil {
			if _, rest, ok := bytes.Cut(text, []byte(") ")); ok {
				f := strings.Fields(string(rest))
				p.Parent, _ = strconv.Atoi(f[1])
			}
		}
		if info, err := os.Stat(filepath.Join("/proc", e.Name())); err == nil {
			p.Started = info.ModTime()
		}
		all = append(all, p)
	}
	return all
}

// listeners are the processes that hold a listening socket where the filter's is.
func listeners(s config.Socket, all []process) []process {
	inodes := listening(s)
	if len(inodes) == 0 {
		return nil
	}
	var holders []process
	for _, p := range all {
		dir := fmt.Sprintf("/proc/%d/fd", p.PID)
		fds, _ := os.ReadDir(dir)
		if slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
			to, _ := os.Readlink(filepath.Join(dir, fd.Name()))
			return slices.Contains(inodes, strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]"))
		}) {
			holders = append(holders, p)
		}
	}
	return holders
}

// listening are the inodes of the listening sockets at an address.
func listening(s config.Socket) (inodes []string) {
	if s.Network == "unix" {
		for _, f := range table("/proc/net/unix") {
			const accepting = "00010000"
			if len(f) > 7 && f[7] == s.Address && f[3] == accepting {
				inodes = append(inodes, f[6])
			}
		}
		return inodes
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, f := range table(file) {
			const listen = "0A"
			if len(f) < 10 || f[3] != listen {
				continue
			}
			if ip, port := address(f[1]); ip != nil && (listensOn(s, ip, port) || ip.IsUnspecified() &&
				listensOn(s, net.IPv4(127, 0, 0, 1), port)) {
				inodes = append(inodes, f[9])
			}
		}
	}
	return inodes
}

func table(path string) (rows [][]string) {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// address reads the kernel's way of writing one: words of 32 bits in the order of this
// machine's octets, which is the little one wherever this file is built for.
func address(text string) (net.IP, int) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return nil, 0
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	return net.IP(raw), int(n)
}
