package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/status"
)

// process is a program that runs.
type process struct {
	PID     int
	Parent  int
	Name    string // of its executable file
	Args    []string
	Started time.Time

	environment []string // of one that may be a filter
}

// ours reports whether the program is a filter of this kind.
func (p process) ours() bool { return p.Name == "dojang" || strings.HasPrefix(p.Name, "opendkim") }

// server is what the running filter says of itself; nil where it has no StatusSocket or
// does not answer there.
func server(ctx context.Context, c *config.Config) (*status.Client, *status.Server) {
	if !c.StatusSocket.IsSet() {
		return nil, nil
	}
	address := "http://" + c.StatusSocket.Value.DialAddress()
	if s := c.StatusSocket.Value; s.Network == "unix" {
		address = s.Address
	}
	client, err := status.NewClient(address)
	if err != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	server, err := client.Server(ctx)
	if err != nil {
		return nil, nil
	}
	return client, &server
}

// loaded compares what the running filter has loaded with its files: what is newer was
// never read. files are the configuration's and those of its tables and keys.
func (r *Report) loaded(h *host, server *status.Server, files []string) {
	const check = "process"
	if server == nil {
		return
	}
	if last := server.LastReload; last != nil && !last.OK {
		r.Add(Finding{Check: check, Code: "reload-failed", Status: Bad, Remedy: h.Reload(),
			Advice: "mend first what is told here of the configuration and its tables"},
			"the last reload failed, and the old configuration is in force: %s", strings.Join(last.Problems, "; "))
		return
	}
	var newer []string
	for _, path := range files {
		// The clock of files is coarser than ours.
		if info, err := os.Stat(path); err == nil && info.ModTime().After(server.Loaded.Add(50*time.Millisecond)) &&
			!slices.Contains(newer, path) {
			newer = append(newer, path)
		}
	}
	if len(newer) == 0 {
		r.good(check, "the filter (process %d) has loaded its files as they are", server.PID)
		return
	}
	r.Add(Finding{Check: check, Code: "not-reloaded", Status: Bad, Remedy: h.Reload()},
		"the filter loaded its configuration at %s, and newer is %s",
		server.Loaded.Local().Format(time.DateTime), strings.Join(newer[:min(3, len(newer))], ", "))
}

// instances looks whether a second filter runs with the same configuration.
func (r *Report) instances(h *host, all []process) {
	if h.Process.PID == 0 {
		return
	}
	for _, p := range all {
		family := p.PID == h.Process.PID || p.PID == h.Process.Parent || p.Parent == h.Process.PID || p.PID == os.Getpid()
		if family || !p.ours() || !p.serves(h.File) {
			continue
		}
		r.Add(Finding{Check: "process", Code: "second-filter", Status: Bad, Remedy: fmt.Sprintf("kill %d", p.PID)},
			"a second filter runs with %s: process %d; Postfix talks to process %d", h.File, p.PID, h.Process.PID)
	}
}

// serves reports whether a filter was started with the configuration in a file.
func (p process) serves(file string) bool {
	if !slices.Contains(p.Args, "serve") && (len(p.Args) == 0 || filepath.Base(p.Args[0]) != "opendkim") {
		return false
	}
	given := config.DefaultPath
	for i, a := range p.Args {
		switch {
		case (a == "-x" || a == "-c" || a == "--config") && i+1 < len(p.Args):
			given = p.Args[i+1]
		case strings.HasPrefix(a, "--config="):
			given = strings.TrimPrefix(a, "--config=")
		case strings.HasPrefix(a, "-x"):
			given = a[2:]
		}
	}
	return given == file
}

// overrides are the options that a filter's environment and command line set over its
// file, as a unit's drop-in or /etc/default has them.
func (p process) overrides() []config.Override {
	list := config.ReadEnvironment(p.environment)
	if len(p.Args) == 0 || filepath.Base(p.Args[0]) != "opendkim" {
		return list
	}
	set, _, _ := config.ReadFlags(io.Discard, p.Args[1:], func(byte, string) {})
	return append(list, set...)
}

// listensOn are the addresses on this host at which the filter's socket is reached.
func listensOn(s config.Socket, address net.IP, port int) bool {
	host, text, err := net.SplitHostPort(s.Address)
	if err != nil || text != fmt.Sprint(port) {
		return false
	}
	is4 := address.To4() != nil
	switch ip := net.ParseIP(strings.Trim(host, "[]")); {
	case host == "" || ip != nil && ip.IsUnspecified():
		return (s.Network != "tcp4" || is4) && isOfThisHost(address)
	case ip != nil:
		return ip.Equal(address)
	}
	ips, _ := net.LookupIP(host)
	return slices.ContainsFunc(ips, func(ip net.IP) bool { return ip.Equal(address) && (s.Network == "tcp4") == is4 })
}

func isOfThisHost(address net.IP) bool {
	if address.IsLoopback() {
		return true
	}
	addrs, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(address)
	})
}
