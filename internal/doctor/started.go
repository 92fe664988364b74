package doctor

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/problem"
)

// asStarted is the configuration with what the running filter's command line and
// environment set over it, and the sockets of the file that do not count for that. Where
// Socket is written so that the hint knows what is meant, that is judged by.
func (e *examination) asStarted(c *config.Config, problems problem.List, all []process) (*config.Config, problem.List, []config.Socket) {
	file := c.Sockets()
	for _, p := range all {
		over := p.overrides()
		if len(over) == 0 || !p.serves(e.Source.File) {
			continue
		}
		source := config.Source{File: e.Source.File, Overrides: append(over, e.Source.Overrides...)}
		if started, with := source.Load(); !with.HasErrors() {
			c, problems = started, with
			if slices.Equal(c.Sockets(), file) {
				file = nil
			}
			return c, problems, file
		}
	}
	for _, p := range problems {
		if value, ok := meantSocket(p); ok {
			c.Set("Socket", value, p.File)
		}
	}
	return c, problems, nil
}

// meantSocket is what Socket is to be by the hint of a problem, where that has the port
// which stands there.
func meantSocket(p problem.Problem) (value string, ok bool) {
	value, ok = strings.CutPrefix(p.Hint, "write Socket ")
	s, err := config.ParseSocket(value)
	if !ok || err != nil || s.Network == "unix" {
		return "", false
	}
	_, port, err := net.SplitHostPort(s.Address)
	return value, err == nil && strings.Contains(p.Text, port)
}

// account is whom the filter runs as; without a name where there is no such account.
func account(c *config.Config) person {
	self := fmt.Sprint(os.Geteuid())
	if p := personOf(cmp.Or(c.UserID.Value, self)); p != nil {
		return *p
	}
	if c.UserID.IsSet() {
		return person{}
	}
	groups, _ := os.Getgroups()
	return person{Name: self, UID: os.Geteuid(), Groups: groups}
}

// personOf is an account of this machine, nil where there is none.
func personOf(spec string) *person {
	a, err := build.LookupAccount(spec)
	if err != nil {
		return nil
	}
	return &person{Name: a.Name, UID: a.UID, Groups: a.Groups}
}
