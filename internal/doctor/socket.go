package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dojang/internal/config"
	"dojang/milter"
)

// negotiationTime is how long a filter may take to say its first word.
const negotiationTime = 5 * time.Second

// socket looks whether a filter answers on the socket, whether it is ours, and whether
// Postfix can reach it. It reports whether messages can be sent there.
func (r *Report) socket(h *host, s config.Socket, all []process) bool {
	const check = "socket"
	conn, err := net.DialTimeout(s.Network, s.DialAddress(), 3*time.Second)
	if err != nil {
		r.Add(socketFinding(h, s, err), "the filter does not answer on %s: %s", s.Address, rootCause(err))
		return false
	}
	holders := listeners(s, all)
	foreign := len(holders) > 0 && !slices.ContainsFunc(holders, func(p process) bool { return p.ours() || p.PID == 1 })
	for _, p := range holders {
		if p.ours() {
			h.Process = p
		}
	}
	if foreign {
		conn.Close()
		r.Add(Finding{Check: check, Code: "socket-foreign", Status: Bad,
			Advice: "stop it (kill " + pids(holders) + ") and " + h.restart() + ", or give one of the two another socket"},
			"another program listens on %s: %s", s.Address, names(holders))
		return false
	}
	client, err := milter.NewClient(conn, milter.ClientOptions{Timeout: negotiationTime})
	if err != nil {
		conn.Close()
		r.Add(Finding{Check: check, Code: "socket-mute", Status: Bad, Remedy: h.restart()},
			"what listens on %s does not speak a filter's protocol: %s", s.Address, rootCause(err))
		return false
	}
	client.Close()
	if s.Network != "unix" || h.MTA == nil {
		r.good(check, "the filter answers on %s", s.Address)
		return true
	}
	r.reach(h, s)
	return true
}

// reach looks whether Postfix's user may use a UNIX socket.
func (r *Report) reach(h *host, s config.Socket) {
	const check = "socket"
	component, err := h.MTA.obstacle(s.Address, write)
	switch {
	case err != nil:
		r.Add(Finding{Check: check, Code: "socket-missing", Status: Bad, Advice: "namei -l " + s.Address + " shows the way to it"},
			"%s: %s", component, lastError(err))
	case component == s.Address:
		value := "local:" + s.Address + " mode=0660 group=" + h.MTA.Name
		r.Add(Finding{Check: check, Code: "socket-closed", Status: Bad,
			Remedy: h.setOption(h.Config.Field("Socket"), value)},
			"user %s may not write to the socket %s", h.MTA.Name, s.Address)
	case component != "":
		r.Add(Finding{Check: check, Code: "socket-folder", Status: Bad, Remedy: "chmod o+x " + shell(component)},
			"user %s may not search the folder %s, so it cannot reach the socket %s", h.MTA.Name, component, s.Address)
	default:
		r.good(check, "the filter answers on %s, and user %s may use it", s.Address, h.MTA.Name)
	}
}

func socketFinding(h *host, s config.Socket, err error) Finding {
	f := Finding{Check: "socket", Code: "socket-down", Status: Bad, Remedy: h.restart(),
		Advice: "systemctl status opendkim says why, where it does not run"}
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.Code = "socket-absent"
	case errors.Is(err, syscall.ECONNREFUSED) && s.Network == "unix":
		f.Code = "socket-stale" // the file is one that no process listens at any more
	case errors.Is(err, os.ErrPermission):
		f.Code, f.Remedy, f.Advice = "socket-permission", "", "run this as root, or namei -l "+s.Address
	}
	return f
}

func names(list []process) string {
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%s (process %d)", p.Name, p.PID))
	}
	return strings.Join(words, ", ")
}

// pids are the processes to end: children that share a parent's socket end with it.
func pids(list []process) string {
	var words []string
	for _, p := range list {
		if !slices.ContainsFunc(list, func(q process) bool { return q.PID == p.Parent }) {
			words = append(words, strconv.Itoa(p.PID))
		}
	}
	return strings.Join(words, " ")
}

func rootCause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
