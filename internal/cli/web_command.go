package cli

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dojang/internal/build/pages"
	"dojang/internal/exit"
	"dojang/internal/web"
)

// webCommand is `dojang web`.
func webCommand(s Streams) *cobra.Command {
	o := pages.Options{Version: Version}
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
			return o.Serve(ctx, s.Out)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", pages.DefaultAddress, "where to listen: ADDRESS:PORT or unix:PATH")
	f.BoolVar(&o.Public, "public", false, "offer /check, /explain and /publish to everybody, and nothing else")
	f.StringSliceVar(&o.Names, "name", nil, "a Host name of these pages besides those of loopback")
	f.StringVar(&o.StatusSocket, "socket", defaultStatusSocket, "the filter's StatusSocket")
	f.StringSliceVar(&o.Nameservers, "nameservers", nil, "name servers to ask instead of the system's")
	f.StringVar(&o.TrustAnchor, "trust-anchor", "", "file of DNSSEC trust anchors; without one DNSSEC is not checked")
	f.StringVar(&o.PasswordFile, "password-file", "", "let in who knows the password: a file that dojang web passwd wrote")
	f.StringVar(&o.Certificate, "tls-cert", "", "file of the TLS certificate")
	f.StringVar(&o.KeyFile, "tls-key", "", "file of the certificate's key")
	f.StringVar(&o.UserHeader, "user-header", "", "on a UNIX socket: let in whom the proxy names in this header field")
	f.StringVar(&o.MaxMessage, "max-message", "10M", "the largest message to explain")
	f.StringVar(&o.KeyAge, "key-age", "200d", "the age from which on a key is old")
	c.AddCommand(webPasswdCommand(s), webLoginCommand(s))
	return c
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
