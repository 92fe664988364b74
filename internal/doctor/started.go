package doctor

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/problem"
)

// asStarted is the configuration with what the running filter's command line and
// environment set over it, and the sockets of the file that do not count for that. Where
// it is known what a wrong Socket means, that is judged by.
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
		if p.Option == "Socket" && p.Mend.Edit == problem.Rewrite {
			c.Set("Socket", p.Mend.Text, p.File)
		}
	}
	return c, problems, nil
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
