package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/problem"
)

// asStarted is the configuration with what the running filter's command line and
// environment set over it, or those of its unit where none runs, and the sockets of the
// file that do not count for that. Where it is known what a wrong Socket means, that is
// judged by.
func (e *examination) asStarted(ctx context.Context, c *config.Config, problems problem.List, all []process) (
	*config.Config, problem.List, []config.Socket) {
	file := c.Sockets()
	serving := slices.DeleteFunc(slices.Clone(all), func(p process) bool { return !p.ours() || !p.serves(e.Source.File) })
	if p := ofUnit(ctx); len(serving) == 0 && p.serves(e.Source.File) {
		serving = append(serving, p)
	}
	for _, p := range serving {
		over := p.overrides()
		if len(over) == 0 {
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
		if p.Option == "Socket" && p.Mend.Edit == problem.Rewrite {
			c.Set("Socket", p.Mend.Text, p.File)
		}
	}
	return c, problems, nil
}

// ofUnit is the filter as systemd would start it, drop-ins included.
func ofUnit(ctx context.Context) (p process) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=ExecStart", "--property=Environment", "opendkim").Output()
	if err != nil {
		return p
	}
	for line := range strings.Lines(string(out)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "ExecStart": // { path=/usr/sbin/opendkim ; argv[]=/usr/sbin/opendkim -f ; ignore_errors=no ; ... }
			_, command, _ := strings.Cut(value, "argv[]=")
			command, _, _ = strings.Cut(command, " ; ")
			p.Args = strings.Fields(command)
		case "Environment":
			p.environment = strings.Fields(value)
		}
	}
	return p
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
