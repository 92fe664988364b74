package cli

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/loadgen"
	"dojang/internal/problem"
	"dojang/internal/words"
	"dojang/milter"
)

// benchOptions are those of `dojang bench`.
type benchOptions struct {
	socket, from, file, mode string
	connections, messages    int
	bytes                    int
	duration, over           time.Duration
	domains                  int
	mix                      string
	rate                     float64
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

--mix sends mail of several kinds in one run: to be signed, a stranger's (the
message of --file, or one without a signature), and of an author that no table
has; bodies are as long as those of real mail unless --size is given. --domains
N puts a number below N in the place of %d in --from. With --rate messages
become due at an even pace, whatever the filter bears: the time of one counts
from then, so that a filter that falls behind shows in the times, and what was
due and could not be sent by the end is counted.

--mode sign comes as a local client with --from as author, so the filter should
sign; --mode verify comes as a stranger with the message of --file, or one
without a signature. Only loopback and UNIX sockets are taken, unless --remote
is given: a filter that serves real mail on another machine would feel it.`,
		Example: `  dojang bench --socket inet:8891@localhost --from joe@example.com
  dojang bench --socket local:/run/opendkim/opendkim.sock --from joe@example.com --connections 16 --messages 20000
  dojang bench --socket inet:8891@localhost --mode verify --file signed.eml
  dojang bench --from joe@d%d.example --domains 100000 --mix sign=60,verify=30,none=10 --file signed.eml --rate 500 --for 1h`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			run, err := o.load()
			if err != nil {
				return err
			}
			shown := s.progress("messages", run.Messages)
			run.Progress = shown.at
			report, err := loadgen.Run(c.Context(), run)
			shown.end()
			if err != nil {
				return exit.Errorf(exit.Unavailable, "%s", err)
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
	f.DurationVar(&o.over, "for", 0, "send for so long, however many messages that are")
	f.Float64Var(&o.rate, "rate", 0, "messages that become due each second; 0 for as many as the filter bears")
	f.IntVar(&o.domains, "domains", 0, "numbers that stand in the place of %d in --from")
	f.StringVar(&o.mix, "mix", "", "shares of mail to be signed, verified and left alone, as sign=60,verify=30,none=10")
	f.IntVar(&o.bytes, "size", 0, "bytes of a made-up message's body (4096; with --mix, as in real mail)")
	f.BoolVar(&o.remote, "remote", false, "let the socket be on another machine")
	return c
}

// check refuses numbers that mean nothing.
func (o *benchOptions) check() error {
	_, domain, _ := strings.Cut(o.from, "@")
	switch {
	case o.mode != "sign" && o.mode != "verify":
		return exit.Errorf(exit.Usage, "--mode is sign or verify, not %q", o.mode)
	case o.connections < 1:
		return exit.Errorf(exit.Usage, "--connections %d: at least 1 is needed", o.connections)
	case o.messages < 1:
		return exit.Errorf(exit.Usage, "--messages %d: at least 1 is needed (--for TIME sends for so long)", o.messages)
	case o.duration < 0 || o.over < 0:
		return exit.Errorf(exit.Usage, "--duration and --for want a time that is not negative")
	case !(o.rate >= 0) || math.IsInf(o.rate, 0):
		return exit.Errorf(exit.Usage, "--rate %v: write how many messages become due each second", o.rate)
	case o.bytes < 0 || o.bytes > maxBenchBytes:
		return exit.Errorf(exit.Usage, "--size %d: at most %d bytes", o.bytes, maxBenchBytes)
	case o.domains < 0, o.domains > 0 && !strings.Contains(o.from, "%d"), o.domains == 0 && strings.Contains(domain, "%d"):
		return exit.Errorf(exit.Usage, "--domains wants a number, and %%d in --from where it is to stand: joe@d%%d.example")
	case strings.ContainsFunc(o.from, unicode.IsControl):
		return exit.Errorf(exit.Usage, "--from %s is no address", problem.Quote(o.from))
	}
	return nil
}

// maxBenchBytes bounds --size: a message is made in memory.
const maxBenchBytes = 1 << 30

func (o *benchOptions) load() (loadgen.Options, error) {
	if err := o.check(); err != nil {
		return loadgen.Options{}, err
	}
	socket, err := config.ParseSocket(o.socket)
	if err != nil {
		return loadgen.Options{}, exit.Errorf(exit.Usage, "--socket: %s", err)
	}
	if !o.remote && !isLocal(socket) {
		return loadgen.Options{}, exit.Errorf(exit.Usage, "--socket %s is not on this machine; give --remote if you mean it", o.socket)
	}
	run := loadgen.Options{Network: socket.Network, Address: socket.DialAddress(), Connections: o.connections,
		Messages: o.messages, Duration: o.duration}
	run.Message = milter.Message{
		Envelope: milter.Envelope{Host: "bench.invalid", Addr: milter.ConnAddr{Family: milter.FamilyInet,
			Addr: netip.MustParseAddr("127.0.0.1"), Port: 25},
			From: o.from, Rcpts: []string{"bench@example.org"}},
		Macros: map[string]string{"j": "bench.invalid", "daemon_name": "bench"},
	}
	if o.over > 0 {
		run.Messages, run.Duration = 0, o.over
	}
	run.Rate = o.rate
	if o.mix != "" || o.domains > 0 {
		return run, o.mixed(&run)
	}
	return run, o.alike(&run)
}

// alike has all messages be the same one.
func (o *benchOptions) alike(run *loadgen.Options) error {
	switch {
	case o.mode == "verify":
		run.Message.Addr.Addr = netip.MustParseAddr("192.0.2.1")
	case o.file == "" && o.from == "":
		return exit.Errorf(exit.Usage, "--from ADDRESS is needed: an author whose mail the filter signs")
	default:
		run.Expect = "DKIM-Signature"
	}
	if o.file != "" {
		var err error
		if run.Message.Raw, err = os.ReadFile(o.file); err != nil {
			return exit.Errorf(exit.NoInput, "%s", err)
		}
		return nil
	}
	if o.bytes == 0 {
		o.bytes = 4096
	}
	run.Message.Raw = loadgen.Message(o.from, o.bytes)
	return nil
}

// mixed has messages of several kinds or domains.
func (o *benchOptions) mixed(run *loadgen.Options) error {
	m := loadgen.Mix{From: o.from, Domains: o.domains, BodyBytes: o.bytes}
	if o.mix == "" {
		o.mix = o.mode + "=1"
	}
	if err := m.ParseShares(o.mix); err != nil {
		return exit.Errorf(exit.Usage, "--mix: %s", err)
	}
	if m.Sign > 0 && o.from == "" {
		return exit.Errorf(exit.Usage, "--from ADDRESS is needed: an author whose mail the filter signs")
	}
	if o.file != "" {
		var err error
		if m.Signed, err = os.ReadFile(o.file); err != nil {
			return exit.Errorf(exit.NoInput, "%s", err)
		}
	}
	run.Make = m.Maker()
	return nil
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

func (o *benchOptions) print(s Streams, r loadgen.Report) error {
	fmt.Fprintf(s.Out, "%s in %s over %s: %.0f messages/s\n", words.Count(r.Messages, "message"),
		r.Elapsed.Round(time.Millisecond), words.Count(o.connections, "connection"), r.Rate())
	fmt.Fprintf(s.Out, "a message took  p50 %s  p90 %s  p99 %s  p999 %s  max %s\n", r.P50.Round(time.Microsecond),
		r.P90.Round(time.Microsecond), r.P99.Round(time.Microsecond), r.P999.Round(time.Microsecond), r.Max.Round(time.Microsecond))
	if r.Unsent > 0 {
		fmt.Fprintf(s.Out, "%d more were due and not sent: the filter does not bear %g messages/s over %s, and "+
			"their times are not counted\n",
			r.Unsent, o.rate, words.Count(o.connections, "connection"))
	}
	if r.Errors > 0 {
		return exit.Errorf(exit.Unavailable, "%d of %d messages failed; the first: %s", r.Errors, r.Messages, r.FirstError)
	}
	return nil
}
