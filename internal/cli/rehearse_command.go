package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/rehearse"
)

// rehearsal are the options of `dojang rehearse`.
type rehearsal struct {
	beside, socket, config string
	json, watch            bool
}

// rehearseCommand is `dojang rehearse`: our filter beside one that is in service.
func rehearseCommand(s Streams) *cobra.Command {
	o := rehearsal{}
	c := &cobra.Command{
		Use:   "rehearse --beside OLD-SOCKET --socket NEW-SOCKET [--config FILE]",
		Short: "Compare with the filter in service, on its own mail, before a change",
		Long: `Stand between the MTA and the filter that is in service, on a socket of its
own. The MTA gets the old filter's answers, octet by octet; dojang, with the
configuration given, sees the same dialogue, and every difference between what
the two decide is told with its cause: signed or not, by whom, which fields,
verdicts, replies, fields added and removed. Nothing of dojang's reaches the
mail, and nothing is left behind: no report, no statistics.

dojang decides in a process of its own. When that is slow, hangs or dies, the
old filter and the mail notice nothing; what could not be compared is counted.

Differences that docs/differences.md tells of are marked. The numbers are
printed at SIGUSR1 and at the end (^C); a terminal that is lost ends nothing.
Take the new socket out of the MTA's configuration before the end: an MTA that
does not reach its filter follows milter_default_action.`,
		Example: `  dojang rehearse --beside inet:8891@localhost --socket inet:8892@localhost -x /etc/opendkim.conf
  postconf -e smtpd_milters=inet:localhost:8892 && postfix reload     (in another window)`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.watch {
				return watchRehearsal(c.Context(), s, o)
			}
			return runRehearsal(c.Context(), s, o)
		},
	}
	c.Flags().StringVar(&o.beside, "beside", "", "socket of the filter in service, as in opendkim.conf: inet:PORT@HOST or local:PATH")
	c.Flags().StringVar(&o.socket, "socket", "", "socket to listen on, for the MTA")
	configFlag(c.Flags(), &o.config, "c")
	c.Flags().BoolVar(&o.json, "json", false, "one line of JSON for each message that differs, and one for the numbers")
	c.Flags().BoolVar(&o.watch, "watch", false, "be the half that decides")
	_ = c.Flags().MarkHidden("watch")
	return c
}

// watchRehearsal is dojang's half: it decides about what the taps bring to file 3, until
// its input ends.
func watchRehearsal(ctx context.Context, s Streams, o rehearsal) error {
	cfg, problems := (&config.Source{File: o.config}).Load()
	if problems.HasErrors() {
		problems.Write(s.Err)
		return exit.Silent(exit.Config)
	}
	parts := build.ToolParts(Version)
	parts.Account, _ = build.AccountOf(cfg)
	built, problems := build.Snapshot(ctx, cfg, parts)
	problems.Write(s.Err)
	if built == nil {
		return exit.Silent(exit.Config)
	}
	defer built.Snapshot.Discard()
	l, err := net.FileListener(os.NewFile(3, "taps"))
	if err != nil {
		return exit.Errorf(exit.Usage, "--watch is for dojang rehearse itself: %w", err)
	}
	if _, err := s.message().Write([]byte(rehearse.Ready)); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	go func() {
		var octet [1]byte
		for {
			if _, err := s.In.Read(octet[:]); err != nil {
				break
			}
		}
		l.Close()
	}()
	var mu sync.Mutex
	out := json.NewEncoder(s.message())
	rehearse.Watch(l, built.Snapshot, func(r rehearse.Report) {
		mu.Lock()
		defer mu.Unlock()
		if out.Encode(r) != nil {
			l.Close() // nobody listens any more
		}
	})
	return nil
}

// runRehearsal is the proxy, and the words about what its other half found.
func runRehearsal(ctx context.Context, s Streams, o rehearsal) error {
	old, err := rehearsalSocket("--beside", o.beside)
	if err != nil {
		return err
	}
	own, err := rehearsalSocket("--socket", o.socket)
	if err != nil {
		return err
	}
	tell := &rehearsalWords{streams: s, json: o.json}
	half := &rehearse.Half{Command: o.half(), Report: tell.report, Died: func(err error) {
		tell.tally.Restarted()
		fmt.Fprintf(s.Err, "dojang: %s; it is started anew\n", err)
	}}
	if err := half.Start(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			return exit.Silent(ended.ExitCode()) // it has said why
		}
		return exit.Errorf(exit.OSErr, "%w", err)
	}
	defer half.Stop(0)
	l, err := app.Listen(own, build.CurrentAccount())
	if err != nil {
		return exit.Errorf(exit.Unavailable, "%w", err)
	}
	taps := &rehearse.Taps{Dial: half.Dial, Dropped: func(string) { tell.tally.Dropped() }}
	proxy := &rehearse.Proxy{
		Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, old.Network, old.Address)
		},
		Taps: taps, Log: func(err error) { fmt.Fprintf(s.Err, "dojang: %s\n", err) },
	}
	tell.connections = proxy.Connections
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	gone := make(chan os.Signal, 1) // a terminal, or who reads what is told: the mail's way stays
	signal.Notify(gone, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(gone)
	served := make(chan error, 1)
	go func() { served <- proxy.Serve(l) }()
	fmt.Fprintf(s.Err, "dojang: mail for %s goes to %s and is compared; ^C ends it\n", o.socket, o.beside)
	err = tell.until(ctx, signals, served)
	l.Close()
	last, cancel := context.WithTimeout(context.Background(), lastMail)
	defer cancel()
	proxy.Stop(last)
	taps.Wait(last)
	if !half.Stop(lastMail) {
		tell.report(&rehearse.Report{NotCompared: "the end: dojang's half had not done with its last connections"})
	}
	tell.summary()
	return err
}

// until tells the numbers at each SIGUSR1 until another signal comes, ctx ends or the
// proxy does, whose error it returns.
func (t *rehearsalWords) until(ctx context.Context, signals <-chan os.Signal, served <-chan error) error {
	for {
		select {
		case sig := <-signals:
			if sig != syscall.SIGUSR1 {
				return nil
			}
			t.summary()
		case <-ctx.Done():
			return nil
		case err := <-served:
			return err
		}
	}
}

// lastMail is how long the end of a rehearsal waits for connections of the MTA and their
// copies, and then for what is still to be compared.
const lastMail = 10 * time.Second

// rehearsalSocket reads a socket of a flag.
func rehearsalSocket(flag, text string) (config.Socket, error) {
	if text == "" {
		return config.Socket{}, exit.Errorf(exit.Usage, "%s is missing; write %s inet:8891@localhost, or local:/path", flag, flag)
	}
	socket, err := config.ParseSocket(text)
	if err != nil {
		return socket, exit.Errorf(exit.Usage, "%s %s: %w", flag, text, err)
	}
	return socket, nil
}

// half returns what starts the other half.
func (o *rehearsal) half() func() *exec.Cmd {
	return func() *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		cmd := exec.Command(self, "rehearse", "--watch", "--config", o.config)
		cmd.Args[0] = "dojang"
		cmd.Stderr = os.Stderr                                // it escapes what it writes
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for us alone
		return cmd
	}
}

// maxTold is how many differences of a kind are told in words; the rest is counted.
const maxTold = 25

// rehearsalWords tell what was found.
type rehearsalWords struct {
	streams     Streams
	json        bool
	tally       rehearse.Tally
	connections func() int64

	mu   sync.Mutex
	told map[rehearse.Kind]int
}

func (t *rehearsalWords) report(r *rehearse.Report) {
	t.tally.Add(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		if len(r.Differences) > 0 || r.NotCompared != "" {
			t.line(r)
		}
		return
	}
	var shown []rehearse.Difference
	for _, d := range r.Differences {
		if t.told == nil {
			t.told = map[rehearse.Kind]int{}
		}
		if t.told[d.Kind]++; t.told[d.Kind] <= maxTold {
			shown = append(shown, d)
		}
		if t.told[d.Kind] == maxTold {
			defer fmt.Fprintf(t.streams.Out, "further differences of the kind %q are counted only\n", d.Kind)
		}
	}
	told := *r
	told.Differences = shown
	told.Write(t.streams.Out)
}

func (t *rehearsalWords) line(v any) {
	e := json.NewEncoder(t.streams.Out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // who reads it has gone
}

func (t *rehearsalWords) summary() {
	numbers := t.tally.Summary(t.connections())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		t.line(map[string]rehearse.Summary{"summary": numbers})
		return
	}
	numbers.Write(t.streams.Out)
}
