package publish

import (
	"fmt"
	"net"
	"strings"

	"dojang/internal/problem"
)

// Spec is a Publisher as rotate.conf describes it: a type and its arguments.
type Spec struct {
	Type string   `json:"type"`
	Args []string `json:"args,omitempty"`
}

// String is the Spec as it is written.
func (s Spec) String() string { return strings.Join(append([]string{s.Type}, s.Args...), " ") }

// The types of publishers.
const (
	TypeRFC2136 = "rfc2136"
)

// Check finds what is wrong with the words of a Spec; it opens no file and no connection.
func (s Spec) Check() error {
	switch s.Type {
	case TypeRFC2136:
		_, _, err := s.rfc2136()
		return err
	}
	return fmt.Errorf("unknown type %s: use %s", problem.Quote(s.Type), TypeRFC2136)
}

// Open makes a Publisher. It reads credentials, and fails when it cannot.
func Open(s Spec) (Publisher, error) {
	switch s.Type {
	case TypeRFC2136:
		server, keyFile, err := s.rfc2136()
		if err != nil {
			return nil, err
		}
		key, err := readTSIGKey(keyFile)
		if err != nil {
			return nil, err
		}
		return &updater{server: server, key: key}, nil
	}
	return nil, s.Check()
}

// rfc2136 reads "server=ADDR[:PORT] key=FILE".
func (s Spec) rfc2136() (server, keyFile string, err error) {
	values, err := s.values("server", "key")
	if err != nil {
		return "", "", err
	}
	if values["server"] == "" || values["key"] == "" {
		return "", "", fmt.Errorf("write %s server=ADDR[:PORT] key=FILE", s.Type)
	}
	server, err = hostPort(values["server"], "53")
	return server, values["key"], err
}

// values reads arguments of the form name=value, each at most once.
func (s Spec) values(names ...string) (map[string]string, error) {
	values := map[string]string{}
	for _, arg := range s.Args {
		name, value, assigned := strings.Cut(arg, "=")
		known := false
		for _, n := range names {
			known = known || n == name
		}
		switch {
		case !known || !assigned:
			return nil, fmt.Errorf("%s: %s takes %s=", problem.Quote(arg), s.Type, strings.Join(names, "=, "))
		case value == "":
			return nil, fmt.Errorf("%s= has no value", name)
		case values[name] != "":
			return nil, fmt.Errorf("%s= is given twice", name)
		}
		values[name] = value
	}
	return values, nil
}

// hostPort reads an address or a host's name with or without a port.
func hostPort(text, port string) (string, error) {
	host := text
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") && net.ParseIP(text) == nil {
		return "", fmt.Errorf("%s is not an address: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:5353 or a host's name", problem.Quote(text))
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 || host == "" {
		return "", fmt.Errorf("%s is not an address: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:5353 or a host's name", problem.Quote(text))
	}
	return net.JoinHostPort(host, port), nil
}
