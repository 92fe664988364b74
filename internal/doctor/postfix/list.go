package postfix

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Milter is one member of a list of milters (postconf(5), smtpd_milters): a socket, or
// a group of a socket and options in braces.
type Milter struct {
	Text    string // as it stands in the list, braces included
	Socket  Endpoint
	Options map[string]string // of a group
}

// Endpoint is where a milter listens, as Postfix names it.
type Endpoint struct {
	Kind string // "inet" or "unix"
	Path string // of unix: as written, relative to the queue folder or not
	Host string // of inet: without brackets
	Port string // of inet: a number or a service's name
}

// groupOptions are the options that a group may have (MILTER_README, "Per-Milter
// settings").
var groupOptions = map[string]bool{
	"command_timeout": true, "connect_timeout": true, "content_timeout": true, "default_action": true, "protocol": true,
	"connect_macros": true, "helo_macros": true, "mail_macros": true, "rcpt_macros": true, "data_macros": true,
	"end_of_header_macros": true, "end_of_data_macros": true, "unknown_command_macros": true, "macro_defaults": true,
}

var errBrace = errors.New("a brace is not closed")

// ParseMilters reads a list of milters whose parameters are expanded. Members that
// Postfix would refuse come back with the rest, and the error tells of the first.
func ParseMilters(list string) (milters []Milter, err error) {
	members, err := split(list)
	for _, text := range members {
		m, problem := parseMilter(text)
		if err == nil {
			err = problem
		}
		milters = append(milters, m)
	}
	return milters, err
}

const separators = ", \t\r\n"

// split cuts a list at commas and white space outside of braces.
func split(list string) (members []string, err error) {
	depth, start := 0, -1
	for i := range len(list) {
		c := list[i]
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && strings.IndexByte(separators, c) >= 0:
			if start >= 0 {
				members, start = append(members, list[start:i]), -1
			}
			continue
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		members = append(members, list[start:])
	}
	if depth != 0 {
		err = errBrace
	}
	return members, err
}

// Members are those of a list.
func Members(list string) []string {
	members, _ := split(list)
	return members
}

func parseMilter(text string) (Milter, error) {
	m := Milter{Text: text}
	inner, group := strings.CutPrefix(text, "{")
	if !group {
		m.Socket = parseEndpoint(text)
		return m, m.Socket.check(text)
	}
	parts, err := split(strings.TrimSuffix(inner, "}"))
	if err != nil || len(parts) == 0 {
		return m, fmt.Errorf("%s: %w", text, errors.Join(err, errors.New("no socket in the group")))
	}
	m.Socket, m.Options = parseEndpoint(parts[0]), map[string]string{}
	if err := m.Socket.check(parts[0]); err != nil {
		return m, err
	}
	for _, option := range parts[1:] {
		option = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(option, "{"), "}"))
		name, value, ok := strings.Cut(option, "=")
		if name = strings.TrimSpace(name); !ok || !groupOptions[name] {
			return m, fmt.Errorf("%s: Postfix knows no option %q there", text, option)
		}
		m.Options[name] = strings.TrimSpace(value)
	}
	return m, nil
}

// parseEndpoint reads inet:HOST:PORT, inet:PORT, unix:PATH or local:PATH.
func parseEndpoint(text string) Endpoint {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "unix", "local":
		return Endpoint{Kind: "unix", Path: rest}
	case "inet":
		i := strings.LastIndexByte(rest, ':') // none: the port alone
		host := strings.TrimSuffix(strings.TrimPrefix(rest[:max(i, 0)], "["), "]")
		return Endpoint{Kind: "inet", Host: host, Port: rest[i+1:]}
	}
	return Endpoint{Kind: kind, Path: rest}
}

func (e Endpoint) check(text string) error {
	switch {
	case e.Kind == "unix" && e.Path != "":
		return nil
	case e.Kind == "inet" && e.PortNumber() > 0:
		return nil
	case e.Kind == "inet":
		return fmt.Errorf("%s: %q is no port", text, e.Port)
	}
	return fmt.Errorf("%s: a milter is inet:HOST:PORT or unix:PATH", text)
}

// PortNumber is the port, 0 for none.
func (e Endpoint) PortNumber() int {
	if n, err := strconv.Atoi(e.Port); err == nil && n > 0 && n < 1<<16 {
		return n
	}
	if e.Port == "" || e.Port[0] >= '0' && e.Port[0] <= '9' {
		return 0
	}
	n, _ := net.LookupPort("tcp", e.Port)
	return n
}

// FilePath is the file that a process of Postfix opens for a UNIX socket: from the
// queue folder for a relative path, and for every path of a process in its chroot.
func (e Endpoint) FilePath(queue string, chroot bool) string {
	if chroot || !filepath.IsAbs(e.Path) {
		return filepath.Join(queue, e.Path)
	}
	return filepath.Clean(e.Path)
}

// compact writes a list without white space, as postconf -P wants a value; false where
// it cannot be left out.
func compact(list string) (string, bool) {
	members, err := split(list)
	if err != nil {
		return "", false
	}
	for i, m := range members {
		if inner, group := strings.CutPrefix(m, "{"); group {
			inner, ok := compact(strings.TrimSuffix(inner, "}"))
			if !ok || inner == "" {
				return "", false
			}
			members[i] = "{" + inner + "}"
		}
	}
	text := strings.Join(members, ",")
	return text, !strings.ContainsAny(text, " \t\r\n") && !strings.Contains(text, ",=") && !strings.Contains(text, "=,")
}

// WithoutUnknown is a group without the options that Postfix does not know; false where
// that is not what is wrong with it.
func WithoutUnknown(text string) (string, bool) {
	inner, group := strings.CutPrefix(text, "{")
	parts, err := split(strings.TrimSuffix(inner, "}"))
	if !group || err != nil || len(parts) == 0 {
		return "", false
	}
	kept := parts[:1]
	for _, option := range parts[1:] {
		if name, _, ok := strings.Cut(strings.Trim(option, "{} "), "="); ok && groupOptions[strings.TrimSpace(name)] {
			kept = append(kept, option)
		}
	}
	if len(kept) == len(parts) {
		return "", false
	}
	if len(kept) == 1 {
		return kept[0], true
	}
	return "{ " + strings.Join(kept, ", ") + " }", true
}
