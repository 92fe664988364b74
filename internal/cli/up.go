package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/logging"
	"dojang/internal/problem"
	"dojang/internal/setup"
)

// upOptions are those of `dojang up`.
type upOptions struct {
	state, domain, socket string
	proofOnly             bool
}

// upCommand is `dojang up`: a working filter in one command.
func upCommand(s Streams) *cobra.Command {
	o := upOptions{}
	c := &cobra.Command{
		Use:   "up",
		Short: "Make keys and a configuration, prove that they work, and serve",
		Long: `Make a working filter in one command: keys (RSA-2048 and Ed25519), tables and an
opendkim.conf in the state folder, once; print the DNS records to publish and
the Postfix lines to paste; send a message through the filter's own socket, have
it signed, and have the signature verified against the key that would be
published; then serve until interrupted, one line a message.

A second run uses the keys and files that are there; with another --domain it adds
that domain to them.`,
		Example: `  dojang up
  dojang up --domain example.com --state /var/lib/dojang
  dojang up --domain example.net    # a second domain beside it
  dojang up --socket inet:8892@localhost`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runUp(c.Context(), s, o) },
	}
	c.Flags().StringVar(&o.state, "state", "var", "folder for keys and configuration")
	c.Flags().StringVarP(&o.domain, "domain", "d", "", "domain to sign for (default: the domain of this host)")
	c.Flags().StringVarP(&o.socket, "socket", "p", "inet:8891@localhost", "socket to listen on")
	c.Flags().BoolVar(&o.proofOnly, "once", false, "stop after the proof instead of serving")
	return c
}

func runUp(ctx context.Context, s Streams, o upOptions) error {
	st, err := setup.Prepare(o.state, o.domain, o.socket)
	if err != nil {
		return err
	}
	listens, err := config.ParseSocket(o.socket)
	if err != nil {
		return exit.Errorf(exit.Usage, "--socket %s: %w", o.socket, err)
	}
	printUp(s, st, listens)
	load := func() (*config.Config, problem.List) {
		c, problems := config.Load(st.Config)
		// What is set here counts for this run; the file keeps its own, and is one for OpenDKIM, too.
		problems = append(problems, c.Set("Socket", o.socket, config.CommandLine)...)
		problems = append(problems, c.Set("Background", "no", config.CommandLine)...)
		status := config.Socket{Network: "unix", Address: filepath.Join(st.Dir, "status.sock")}
		if text := "local:" + status.Address; !c.StatusSocket.IsSet() {
			if s, err := config.ParseSocket(text); err == nil && s == status { // neither too long nor of two words
				problems = append(problems, c.Set("StatusSocket", text, config.CommandLine)...)
			}
		}
		return c, problems
	}
	c, problems := load()
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Silent(exit.Config)
	}
	a, problems := app.New(ctx, app.Options{
		Config: c, Path: st.Config, Load: load, Args: "up", Version: Version, Published: st.Published(),
		Console: logging.NewSummary(s.Out),
	})
	problems.Write(s.Err)
	if a == nil {
		return exit.Silent(exit.Config)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var proof error
	err = a.Run(ctx, func() {
		app.Ready()
		if proof = st.Prove(ctx, s.Out, c.Sockets()[0]); proof != nil || o.proofOnly {
			stop()
			return
		}
		if c.StatusSocket.IsSet() {
			fmt.Fprintf(s.Out, "\nAsk it what it did: dojang status --socket %[1]s\nor in a browser:     dojang web --socket %[1]s\n",
				build.StatusAddress(c.StatusSocket.Value))
		}
		fmt.Fprintf(s.Out, "\nReady: serving on %s, one line a message. Interrupt (Ctrl-C) to stop.\n", o.socket)
	})
	if err := errors.Join(proof, err); err != nil {
		return exit.Errorf(exit.Unavailable, "%s", err)
	}
	return nil
}

// printUp tells what to publish and what to paste.
func printUp(s Streams, st *setup.State, socket config.Socket) {
	fmt.Fprintf(s.Out, "Keys, tables and configuration: %s\n\n", st.Dir)
	fmt.Fprintf(s.Out, "Publish these DNS records for %s:\n\n", st.Domain)
	st.WriteRecords(s.Out)
	fmt.Fprintf(s.Out, `
Tell Postfix about the filter:

  postconf -e 'smtpd_milters = %s'
  postconf -e 'non_smtpd_milters = $smtpd_milters'
  postconf -e 'milter_protocol = 6'
  postconf -e 'milter_default_action = tempfail'
  postfix reload

`, socket.ForPostfix())
}
