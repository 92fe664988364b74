package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/keycheck"
	"dojang/internal/resolver"
	"dojang/internal/status"
	"dojang/internal/trial"
	"dojang/internal/web"
)

const (
	defaultWebAddress = "127.0.0.1:8892"
	rotationSummary   = "/var/lib/dojang/rotate/summary.json"
	// publicSignatures is how many signatures of a stranger's message are looked at:
	// each asks DNS.
	publicSignatures = 10
)

// webOptions are those of `dojang web`.
type webOptions struct {
	listen, socket, anchor             string
	public                             bool
	names, nameservers                 []string
	passwordFile, certificate, keyFile string
	userHeader, maxMessage, keyAge     string
}

// webCommand is `dojang web`.
func webCommand(s Streams) *cobra.Command {
	var o webOptions
	c := &cobra.Command{
		Use: "web", Short: "Serve pages: check records, explain messages, see what the filter does",
		Long: `Serve pages for a browser, until ^C. They show whether a domain's record is right
on every name server, why a message fails, what to publish at a provider, what
the running filter signed and did not sign, and which keys are old. They change
nothing.

The address that is printed logs you in, once. On another machine's browser, use
it through ssh -L 8892:127.0.0.1:8892. /check, /explain and /publish need no
login; without one they show no key of the filter and ask no inner address.

No opendkim.conf, key, table or log is read: the filter is asked by its
StatusSocket. An address that is not of loopback wants --password-file with
--tls-cert and --tls-key, or --public, which offers /check, /explain and /publish
alone, with limits, to everybody.`,
		Example: `  dojang web
  dojang web --public --listen 0.0.0.0:8892 --name check.example.com
  dojang web --listen unix:/run/dojang-web/web.sock --name mail.example.com --user-header X-Remote-User`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx, s)
		},
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", defaultWebAddress, "where to listen: ADDRESS:PORT or unix:PATH")
	f.BoolVar(&o.public, "public", false, "offer /check, /explain and /publish to everybody, and nothing else")
	f.StringSliceVar(&o.names, "name", nil, "a Host name of these pages besides those of loopback")
	f.StringVar(&o.socket, "socket", defaultStatusSocket, "the filter's StatusSocket")
	f.StringSliceVar(&o.nameservers, "nameservers", nil, "name servers to ask instead of the system's")
	f.StringVar(&o.anchor, "trust-anchor", "", "file of DNSSEC trust anchors; without one DNSSEC is not checked")
	f.StringVar(&o.passwordFile, "password-file", "", "let in who knows the password: a file that dojang web passwd wrote")
	f.StringVar(&o.certificate, "tls-cert", "", "file of the TLS certificate")
	f.StringVar(&o.keyFile, "tls-key", "", "file of the certificate's key")
	f.StringVar(&o.userHeader, "user-header", "", "on a UNIX socket: let in whom the proxy names in this header field")
	f.StringVar(&o.maxMessage, "max-message", "10M", "the largest message to explain")
	f.StringVar(&o.keyAge, "key-age", "200d", "the age from which on a key is old")
	c.AddCommand(webPasswdCommand(s), webLoginCommand(s))
	return c
}

// webAddress is where to listen.
type webAddress struct {
	unix string
	tcp  netip.AddrPort
}

func (o *webOptions) address() (a webAddress, err error) {
	if path, ok := strings.CutPrefix(o.listen, "unix:"); ok {
		if path == "" {
			return a, exit.Errorf(exit.Usage, "--listen unix: wants a path")
		}
		return webAddress{unix: path}, nil
	}
	host, port, err := net.SplitHostPort(o.listen)
	if err == nil {
		if host == "localhost" {
			host = "127.0.0.1"
		}
		a.tcp, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil {
		return a, exit.Errorf(exit.Usage, "--listen %q: write ADDRESS:PORT, as in %s, or unix:PATH", o.listen, defaultWebAddress)
	}
	return a, nil
}

// check refuses what would let strangers in.
func (o *webOptions) check(a webAddress) error {
	tls := o.certificate != "" && o.keyFile != ""
	switch {
	case (o.certificate != "") != (o.keyFile != ""):
		return exit.Errorf(exit.Usage, "--tls-cert and --tls-key go together")
	case a.unix == "" && !a.tcp.Addr().IsLoopback() && !o.public && (o.passwordFile == "" || !tls):
		return exit.Errorf(exit.Usage, "--listen %s: others can reach this address: add --password-file, --tls-cert and --tls-key, or --public", o.listen)
	case o.userHeader != "" && a.unix == "":
		return exit.Errorf(exit.Usage, "--user-header counts on a UNIX socket alone: anybody can send a header field")
	case o.public && (o.passwordFile != "" || o.userHeader != ""):
		return exit.Errorf(exit.Usage, "--public has nothing to log in to: leave --password-file and --user-header out")
	}
	return nil
}

// options are the pages' own.
func (o *webOptions) options(ctx context.Context, a webAddress) (w web.Options, done func(), err error) {
	w = web.Options{Public: o.public, Names: o.names, Listen: a.tcp, Socket: a.unix != "", UserHeader: o.userHeader, TLS: o.certificate != "", Rotation: rotationSummary, Version: Version}
	w.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if w.MaxMessage, err = parseBytes(o.maxMessage); err != nil {
		return w, nil, exit.Errorf(exit.Usage, "--max-message %q: write a number of bytes, as in 10M", o.maxMessage)
	}
	if w.KeyAge, err = config.ParseDuration(o.keyAge); err != nil || w.KeyAge <= 0 {
		return w, nil, exit.Errorf(exit.Usage, "--key-age %q: write a time, as in 200d", o.keyAge)
	}
	if o.passwordFile != "" {
		data, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return w, nil, exit.Errorf(exit.NoInput, "%w", err)
		}
		w.Password = strings.TrimSpace(string(data))
		if err := web.CheckHash(w.Password); err != nil {
			return w, nil, exit.Errorf(exit.Config, "%s: %w", o.passwordFile, err)
		}
	}
	if !o.public {
		if w.Filter, err = status.NewClient(o.socket); err != nil {
			return w, nil, exit.Errorf(exit.Usage, "%s", err)
		}
	}
	w.Check = keycheck.Options{Resolver: uncached(o)}
	w.Verify, done, err = o.verifier(ctx)
	return w, done, err
}

// uncached are the options of a resolver that remembers nothing: who looks again, after a
// record was published, wants to know it anew.
func uncached(o *webOptions) resolver.Options {
	return resolver.Options{Nameservers: o.nameservers, TrustAnchorFile: o.anchor, CacheSize: -1}
}

// verifier verifies by the rules of an empty configuration, with the name servers of ours.
func (o *webOptions) verifier(ctx context.Context) (_ web.Verify, _ func(), err error) {
	cfg := config.New()
	for name, value := range map[string]string{"Nameservers": strings.Join(o.nameservers, ","), "TrustAnchorFile": o.anchor} {
		if value == "" {
			continue
		}
		if problems := cfg.Set(name, value, "the command line"); problems.HasErrors() {
			return nil, nil, exit.Errorf(exit.Usage, "%s", problems[0])
		}
	}
	snapshot, done, problems := build.Verifying(ctx, cfg, build.ToolParts(Version))
	if snapshot == nil {
		return nil, nil, exit.Problems(problems)
	}
	if o.public {
		snapshot.Resolver = web.PublicNames(snapshot.Resolver)
	} else if snapshot.Resolver, err = resolver.New(uncached(o)); err != nil {
		done()
		return nil, nil, exit.Errorf(exit.Usage, "%s", err)
	}
	v := trial.Verifier{Snapshot: snapshot}
	return func(ctx context.Context, now time.Time, fields *header.List, body []byte) (evidence, judged []dkim.Result) {
		all := explain.Evidence(now)
		if o.public {
			all.MaximumSignatures = publicSignatures
		}
		return v.Verify(ctx, all, fields, body), v.ByRules(ctx, now, fields, body)
	}, done, nil
}

func (o *webOptions) run(ctx context.Context, s Streams) error {
	a, err := o.address()
	if err != nil {
		return err
	}
	if err := o.check(a); err != nil {
		return err
	}
	w, done, err := o.options(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	server, err := web.New(w)
	if err != nil {
		return exit.Errorf(exit.Usage, "%s", err)
	}
	l, err := o.open(a)
	if err != nil {
		return err
	}
	url := o.url(a, l)
	if folder := os.Getenv("RUNTIME_DIRECTORY"); folder != "" && !o.public {
		stop, err := serveLogins(filepath.Join(folder, loginSocket), func() string { return url + "login?token=" + server.Token() })
		if err != nil {
			return exit.Errorf(exit.OSErr, "%w", err)
		}
		defer stop()
		fmt.Fprintf(s.Out, "%s\nlog in with: dojang web login\n", url)
	} else if o.public {
		fmt.Fprintln(s.Out, url)
	} else {
		fmt.Fprintf(s.Out, "%slogin?token=%s\n", url, server.Token())
	}
	if err := server.Serve(ctx, l); err != nil {
		return exit.Errorf(exit.OSErr, "%w", err)
	}
	return nil
}

// open listens.
func (o *webOptions) open(a webAddress) (net.Listener, error) {
	var l net.Listener
	var err error
	if a.unix != "" {
		l, err = listenUnix(a.unix, 0o660)
	} else {
		l, err = net.Listen("tcp", a.tcp.String())
	}
	if err != nil {
		return nil, exit.Errorf(exit.OSErr, "%w", err)
	}
	if o.certificate == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.keyFile)
	if err != nil {
		l.Close()
		return nil, exit.Errorf(exit.Config, "%w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// listenUnix listens on a UNIX socket, in the place of one that nobody listens on any more.
func listenUnix(path string, mode os.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("%s: somebody listens there", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// url is the address of the pages.
func (o *webOptions) url(a webAddress, l net.Listener) string {
	scheme := "http"
	if o.certificate != "" {
		scheme = "https"
	}
	name := ""
	if len(o.names) > 0 {
		name = o.names[0]
	}
	if a.unix != "" {
		return "https://" + cmp.Or(name, "localhost") + "/" // the proxy's
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	host := a.tcp.Addr().String()
	if name != "" {
		host = name
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// parseBytes reads a number of bytes, with K, M or G behind it for powers of 1024.
func parseBytes(text string) (int64, error) {
	text = strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	scale := int64(1)
	for i, letter := range "KMG" {
		if number, ok := strings.CutSuffix(text, string(letter)); ok {
			text, scale = number, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && n < 1 {
		err = strconv.ErrRange
	}
	return n * scale, err
}

// webPasswdCommand is `dojang web passwd`.
func webPasswdCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "passwd", Short: "Make a line for --password-file out of a password",
		Long: `Read a password, twice at a terminal, else one line of standard input, and print
the line for --password-file: its argon2id hash. The password itself is kept
nowhere.`,
		Example: "  dojang web passwd > /etc/dojang/web-password",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			password, err := readPassword(s)
			if err != nil {
				return err
			}
			line, err := web.HashPassword(password)
			if err != nil {
				return exit.Errorf(exit.DataErr, "%s", err)
			}
			fmt.Fprintln(s.Out, line)
			return nil
		},
	}
}

func readPassword(s Streams) (string, error) {
	f, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(s.In).ReadString('\n')
		if err != nil && line == "" {
			return "", exit.Errorf(exit.NoInput, "no password on standard input")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(what string) (string, error) {
		fmt.Fprint(os.Stderr, what)
		defer fmt.Fprintln(os.Stderr)
		text, err := term.ReadPassword(int(f.Fd()))
		return string(text), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", exit.Errorf(exit.IOErr, "%w", err)
	}
	second, err := ask("Again: ")
	if err != nil {
		return "", exit.Errorf(exit.IOErr, "%w", err)
	}
	if first != second {
		return "", exit.Errorf(exit.DataErr, "the two are not the same")
	}
	return first, nil
}
