package rotation

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
)

// publishers opens the publishers of rotate.conf: those that reach servers in a process
// of the user dojang-dns when root runs this one, those that tell people in this one.
type publishers struct {
	child  *publish.Child
	manual publish.Options
	err    error // why there can be no child
}

// newPublishers prepares them; nothing is started yet.
func newPublishers(o Options, cfg *config.Config, set *settings.Settings) *publishers {
	p := &publishers{manual: manualOptions(o.Out, cfg)}
	program, err := os.Executable()
	if err != nil {
		p.err = err
		return p
	}
	p.child = &publish.Child{Program: program, Args: []string{PublisherName}, Log: func(line string) { fmt.Fprintln(o.Err, line) }}
	if len(set.Nameservers) > 0 {
		p.child.Env = append(p.child.Env, nameserversVariable+"="+strings.Join(set.Nameservers, ","))
	}
	if os.Geteuid() != 0 {
		return p
	}
	a, err := build.LookupAccount(settings.User)
	switch {
	case err != nil:
		p.err = fmt.Errorf("there is no user %s to publish as: %s", settings.User, settings.AddUser)
	case a.UID == 0:
		p.err = fmt.Errorf("the user %s is root: give it a number of its own", settings.User)
	default:
		p.child.Account = &publish.Account{UID: a.UID, GID: a.GID, Groups: a.Groups, Home: a.Home}
	}
	return p
}

// open makes a publisher.
func (p *publishers) open(spec publish.Spec) (publish.Publisher, error) {
	switch {
	case spec.Type == publish.TypeManual:
		return publish.Open(spec, p.manual)
	case p.err != nil:
		return nil, p.err
	}
	return p.child.Publisher(spec), nil
}

// named returns what opens a publisher of rotate.conf by its name, once; one that has no
// lines there tells people.
func (p *publishers) named(set *settings.Settings) func(name string) (publish.Publisher, error) {
	opened := map[string]publish.Publisher{}
	return func(name string) (publish.Publisher, error) {
		if opened[name] != nil {
			return opened[name], nil
		}
		spec := publish.Spec{Type: publish.TypeManual}
		if named, ok := set.Publisher(name); ok {
			spec = named.Spec
		}
		publisher, err := p.open(spec)
		if err == nil {
			opened[name] = publisher
		}
		return publisher, err
	}
}

func (p *publishers) close() {
	if p.child != nil {
		_ = p.child.Close()
	}
}

// manualOptions are how people are told: on the standard output, and by mail, which
// leaves as the filter's reports do.
func manualOptions(out io.Writer, cfg *config.Config) publish.Options {
	m, err := build.Mailer(cfg)
	from := "root@" + m.HostName
	return publish.Options{Out: out, From: from, Send: func(ctx context.Context, to []string, message []byte) error {
		if err != nil {
			return fmt.Errorf("SMTPURI: %w", err)
		}
		return m.Send(ctx, from, to, message)
	}}
}

// nameserversVariable tells a hook whom to ask for name servers.
const nameserversVariable = "DOJANG_NAMESERVERS"

// PublisherName is the command that a child runs.
const PublisherName = "publisher"
