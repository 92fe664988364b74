package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/config"
	"dojang/internal/load"
	"dojang/milter"
)

// benchOptions are those of `dojang bench`.
type benchOptions struct {
	socket, from, file, mode string
	connections, messages    int
	bytes                    int
	duration                 time.Duration
	remote                   bool
}

// benchCommand is `dojang bench`.
func benchCommand(s Streams) *cobra.Command {
	o := benchOptions{}
	c := &cobra.Command{
		Use:   "bench --socket SOCKET",
		Short: "Measure how many messages a running filter bears",
		Long: `Send messages to a running filter (dojang, OpenDKIM or any other milter) and
print its rate and how long messages took. Nothing is delivered: the filter
alone is asked, as an MTA would ask it.

--mode sign comes as a local client with --from as author, so the filter should
sign; --mode verify comes as a stranger with the message of --file, or one
without a signature. Only loopback and UNIX sockets are taken, unless --remote
is given: a filter that serves real mail on another machine would feel it.`,
		Example: `  dojang bench --socket inet:8891@localhost --from joe@example.com
  dojang bench --socket local:/run/opendkim/opendkim.sock --from joe@example.com --connections 16 --messages 20000
  dojang bench --socket inet:8891@localhost --mode verify --file signed.eml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			run, err := o.load()
			if err != nil {
				return err
			}
			if isTerminal(s.Err) {
				run.Progress = func(done int) { fmt.Fprintf(s.Err, "\r%s", progressBar(done, run.Messages)) }
			}
			report, err := load.Run(c.Context(), run)
			if run.Progress != nil {
				fmt.Fprint(s.Err, "\r\x1b[K")
			}
			if err != nil {
				return exitf(exUnavailable, "%s", err)
			}
			return o.print(s, report)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.socket, "socket", "p", "inet:8891@localhost", "the filter's socket")
	f.StringVar(&o.mode, "mode", "sign", "sign or verify")
	f.StringVar(&o.from, "from", "", "author of the messages (for --mode sign: an address that the filter signs)")
	f.StringVar(&o.file, "file", "", "message to send, instead of one that is made up")
	f.IntVarP(&o.connections, "connections", "c", 16, "connections at a time")
	f.IntVarP(&o.messages, "messages", "n", 5000, "messages in all")
	f.DurationVar(&o.duration, "duration", 0, "stop after this time")
	f.IntVar(&o.bytes, "size", 4096, "bytes of a made-up message's body")
	f.BoolVar(&o.remote, "remote", false, "let the socket be on another machine")
	return c
}

func (o *benchOptions) load() (load.Options, error) {
	socket, err := config.ParseSocket(o.socket)
	if err != nil {
		return load.Options{}, exitf(exUsage, "--socket: %s", err)
	}
	if !o.remote && !isLocal(socket) {
		return load.Options{}, exitf(exUsage, "--socket %s is not on this machine; give --remote if you mean it", o.socket)
	}
	run := load.Options{Network: socket.Network, Address: socket.DialAddress(), Connections: o.connections, Messages: o.messages, Duration: o.duration}
	run.Message = milter.Message{
		Envelope: milter.Envelope{Host: "bench.invalid", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1"), Port: 25},
			From: o.from, Rcpts: []string{"bench@example.org"}},
		Macros: map[string]string{"j": "bench.invalid", "daemon_name": "bench"},
	}
	switch {
	case o.mode == "verify":
		run.Message.Addr.Addr = netip.MustParseAddr("192.0.2.1")
	case o.mode != "sign":
		return run, exitf(exUsage, "--mode is sign or verify, not %q", o.mode)
	case o.file == "" && o.from == "":
		return run, exitf(exUsage, "--from ADDRESS is needed: an author whose mail the filter signs")
	default:
		run.Expect = "DKIM-Signature"
	}
	if o.file != "" {
		if run.Message.Raw, err = os.ReadFile(o.file); err != nil {
			return run, exitf(exNoInput, "%s", err)
		}
		return run, nil
	}
	run.Message.Raw = load.Message(o.from, o.bytes)
	return run, nil
}

func isLocal(s config.Socket) bool {
	if s.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "" || strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (o *benchOptions) print(s Streams, r load.Report) error {
	fmt.Fprintf(s.Out, "%d messages in %s over %d connections: %.0f messages/s\n", r.Messages, r.Elapsed.Round(time.Millisecond), o.connections, r.Rate())
	fmt.Fprintf(s.Out, "a message took  p50 %s  p99 %s  p999 %s  max %s\n", r.P50.Round(time.Microsecond), r.P99.Round(time.Microsecond), r.P999.Round(time.Microsecond), r.Max.Round(time.Microsecond))
	if r.Errors > 0 {
		return exitf(exUnavailable, "%d of %d messages failed; the first: %s", r.Errors, r.Messages, r.FirstError)
	}
	return nil
}

// progressBar draws how much of a work is done.
func progressBar(done, all int) string {
	const width = 40
	if all <= 0 {
		return fmt.Sprintf("%d done", done)
	}
	full := min(width, done*width/all)
	return fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", full), strings.Repeat(".", width-full), done, all)
}
