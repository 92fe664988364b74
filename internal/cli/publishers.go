package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/mailer"
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
func newPublishers(s Streams, cfg *config.Config, set *settings.Settings) *publishers {
	p := &publishers{manual: manualOptions(s, cfg)}
	program, err := os.Executable()
	if err != nil {
		p.err = err
		return p
	}
	p.child = &publish.Child{Program: program, Args: []string{publisherName}, Log: func(line string) { fmt.Fprintln(s.Err, line) }}
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

func (p *publishers) close() {
	if p.child != nil {
		_ = p.child.Close()
	}
}

// manualOptions are how people are told: on the standard output, and by the mail
// server that the filter's reports go to.
func manualOptions(s Streams, cfg *config.Config) publish.Options {
	host := cmp.Or(hostName(), "localhost")
	m := mailer.Mailer{Command: cfg.MTACommand.Value, HostName: host}
	if u, err := url.Parse(cfg.SMTPURI.Value); err == nil && u.Hostname() != "" {
		m.SMTPServer = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "25"))
	}
	from := "root@" + host
	return publish.Options{Out: s.Out, From: from, Send: func(ctx context.Context, to []string, message []byte) error {
		return m.Send(ctx, from, to, message)
	}}
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// nameserversVariable tells a hook whom to ask for name servers.
const nameserversVariable = "DOJANG_NAMESERVERS"

// publisherName is the command that a child runs.
const publisherName = "publisher"

// publisherCommand is the child's side.
func publisherCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: publisherName, Short: "Publish what is asked for on the standard input (started by other commands)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if os.Geteuid() == 0 {
				return exit.Errorf(exit.NoPerm, "not as root: it reads credentials and talks to servers")
			}
			return publish.Serve(c.Context(), s.In, s.Out, s.Err)
		},
	}
}
