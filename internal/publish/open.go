package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
	"dojang/internal/resolver"
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
	TypeRFC2136  = "rfc2136"
	TypePowerDNS = "powerdns"
	TypeExec     = "exec"
	TypeManual   = "manual"
)

// Options are what publishers have in common. The zero value is usable.
type Options struct {
	Out io.Writer         // where a person is told what to do; nil: nowhere
	Log func(line string) // what a program says on its standard error, escaped; nil: nowhere

	// Send hands mail to the mail server, and From is who it is from.
	Send func(ctx context.Context, to []string, message []byte) error
	From string

	Now func() time.Time // the clock of mail, default time.Now
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Check finds what is wrong with the words of a Spec; it opens no file and no connection.
func (s Spec) Check() error {
	switch s.Type {
	case TypeRFC2136:
		_, _, err := s.rfc2136()
		return err
	case TypePowerDNS:
		_, _, err := s.powerDNS()
		return err
	case TypeExec:
		if len(s.Args) == 0 || !filepath.IsAbs(s.Args[0]) {
			return fmt.Errorf("write %s and the whole path of a program", s.Type)
		}
		return nil
	case TypeManual:
		_, err := s.manual(Options{})
		return err
	}
	return fmt.Errorf("unknown type %s: use %s, %s, %s or %s", problem.Quote(s.Type), TypeRFC2136, TypePowerDNS, TypeExec, TypeManual)
}

// Credential is the file with a secret that the publisher reads, "" for none.
func (s Spec) Credential() string {
	for _, arg := range s.Args {
		for _, name := range []string{"key=", "key-file="} {
			if path, ok := strings.CutPrefix(arg, name); ok && (s.Type == TypeRFC2136 || s.Type == TypePowerDNS) {
				return path
			}
		}
	}
	return ""
}

// Open makes a Publisher. It reads credentials, and fails when it cannot.
func Open(s Spec, o Options) (Publisher, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	switch s.Type {
	case TypeRFC2136:
		server, keyFile, _ := s.rfc2136()
		key, err := readTSIGKey(keyFile)
		if err != nil {
			return nil, err
		}
		return &updater{server: server, key: key}, nil
	case TypePowerDNS:
		server, keyFile, _ := s.powerDNS()
		key, err := readCredential(keyFile)
		if err != nil {
			return nil, err
		}
		return newPowerDNS(server, strings.TrimSpace(key)), nil
	case TypeExec:
		return &hook{program: s.Args[0], args: s.Args[1:], log: o.Log, timeout: hookTimeout}, nil
	default:
		return s.manual(o)
	}
}

// powerDNS reads "url=URL key-file=FILE".
func (s Spec) powerDNS() (server, keyFile string, err error) {
	values, err := s.values("url", "key-file")
	if err != nil {
		return "", "", err
	}
	if values["url"] == "" || values["key-file"] == "" {
		return "", "", fmt.Errorf("write %s url=http://127.0.0.1:8081 key-file=FILE", s.Type)
	}
	if !filepath.IsAbs(values["key-file"]) {
		return "", "", errors.New("key-file= is the whole path of the file with the key")
	}
	server, err = apiURL(values["url"])
	return server, values["key-file"], err
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
	if !filepath.IsAbs(values["key"]) {
		return "", "", errors.New("key= is the whole path of the file with the key") // what is there may be the key itself
	}
	server, err = hostPort(values["server"])
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
		case !assigned: // it may be a secret
			return nil, fmt.Errorf("%s takes %s=, each before its value", s.Type, strings.Join(names, "=, "))
		case !known:
			return nil, fmt.Errorf("%s=: %s takes %s=", problem.Quote(name), s.Type, strings.Join(names, "=, "))
		case value == "":
			return nil, fmt.Errorf("%s= has no value", name)
		case values[name] != "":
			return nil, fmt.Errorf("%s= is given twice", name)
		}
		values[name] = value
	}
	return values, nil
}

// hostPort reads the address of a name server, or its name, with or without a port.
func hostPort(text string) (string, error) {
	if at, err := resolver.ParseServer(text); err == nil {
		return at.String(), nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, "53"
	}
	name := strings.TrimSuffix(host, ".")
	isAddress := strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == "" // 1.2.3 and 1.2.3.4.5
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || isAddress || keyrecord.CheckName("host", host) != nil {
		return "", fmt.Errorf("%s is not an address: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:5353 or a host's name",
			problem.Quote(text))
	}
	return net.JoinHostPort(host, port), nil
}
