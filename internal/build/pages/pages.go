// Package pages makes the pages of dojang web ready: where they listen, who is let in,
// and by what records and messages are judged. They read no opendkim.conf, key or table.
package pages

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/privilege"
	"dojang/internal/resolver"
	"dojang/internal/status"
	"dojang/internal/trial"
	"dojang/internal/web"
)

// DefaultAddress is where pages listen unless told otherwise.
const DefaultAddress = "127.0.0.1:8892"

const rotationSummary = "/var/lib/dojang/rotate/summary.json"

// publicSignatures is how many signatures of a stranger's message are looked at: each
// asks DNS.
const publicSignatures = 10

// Options say how to serve pages.
type Options struct {
	Listen       string // ADDRESS:PORT or unix:PATH
	StatusSocket string // of the filter
	TrustAnchor  string // file; "": DNSSEC is not checked
	Public       bool   // to everybody, without what is inner
	Names        []string
	Nameservers  []string // instead of the system's
	PasswordFile string
	Certificate  string // file, with KeyFile
	KeyFile      string
	UserHeader   string
	MaxMessage   string // bytes, as in 10M
	KeyAge       string // as in 200d
	Version      string // of dojang
}

// address is where to listen.
type address struct {
	unix string
	tcp  netip.AddrPort
}

func (o *Options) where() (a address, err error) {
	if path, ok := strings.CutPrefix(o.Listen, "unix:"); ok {
		if path == "" {
			return a, exit.Errorf(exit.Usage, "--listen unix: wants a path")
		}
		return address{unix: path}, nil
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err == nil {
		if host == "localhost" {
			host = "127.0.0.1"
		}
		a.tcp, err = netip.ParseAddrPort(net.JoinHostPort(host, port))
	}
	if err != nil {
		return a, exit.Errorf(exit.Usage, "--listen %q: write ADDRESS:PORT, as in %s, or unix:PATH", o.Listen, DefaultAddress)
	}
	return a, nil
}

// check refuses what would let strangers in.
func (o *Options) check(a address) error {
	tls := o.Certificate != "" && o.KeyFile != ""
	switch {
	case (o.Certificate != "") != (o.KeyFile != ""):
		return exit.Errorf(exit.Usage, "--tls-cert and --tls-key go together")
	case a.unix == "" && !a.tcp.Addr().IsLoopback() && !o.Public && (o.PasswordFile == "" || !tls):
		return exit.Errorf(exit.Usage,
			"--listen %s: others can reach this address: add --password-file, --tls-cert and --tls-key, or --public", o.Listen)
	case o.UserHeader != "" && a.unix == "":
		return exit.Errorf(exit.Usage, "--user-header counts on a UNIX socket alone: anybody can send a header field")
	case o.Public && (o.PasswordFile != "" || o.UserHeader != ""):
		return exit.Errorf(exit.Usage, "--public has nothing to log in to: leave --password-file and --user-header out")
	case o.UserHeader != "" && !httpguts.ValidHeaderFieldName(o.UserHeader):
		return exit.Errorf(exit.Usage, "--user-header %q is no name of a header field", o.UserHeader)
	}
	for _, name := range o.Names {
		host, _ := splitName(name)
		if _, err := netip.ParseAddr(host); err != nil && keyrecord.CheckName("name", host) != nil {
			return exit.Errorf(exit.Usage, "--name %q: write a name as the browser's address has it, as in mail.example.com", name)
		}
	}
	return nil
}

// options are the pages' own.
func (o *Options) options(ctx context.Context, a address) (w web.Options, done func(), err error) {
	w = web.Options{Public: o.Public, Names: o.Names, Listen: a.tcp, Socket: a.unix != "", UserHeader: o.UserHeader,
		TLS: o.Certificate != "", Rotation: rotationSummary, Version: o.Version}
	w.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	if w.MaxMessage, err = parseBytes(o.MaxMessage); err != nil {
		return w, nil, exit.Errorf(exit.Usage, "--max-message %q: write a number of bytes, as in 10M", o.MaxMessage)
	}
	if w.KeyAge, err = config.ParseDuration(o.KeyAge); err != nil || w.KeyAge <= 0 {
		return w, nil, exit.Errorf(exit.Usage, "--key-age %q: write a time, as in 200d", o.KeyAge)
	}
	if o.PasswordFile != "" {
		data, err := privilege.ReadAsIs(o.PasswordFile)
		if err != nil {
			return w, nil, exit.Errorf(exit.NoInput, "%w", err)
		}
		w.Password = strings.TrimSpace(string(data))
		if err := web.CheckHash(w.Password); err != nil {
			return w, nil, exit.Errorf(exit.Config, "%s: %w", o.PasswordFile, err)
		}
	}
	if !o.Public {
		if w.Filter, err = status.NewClient(o.StatusSocket); err != nil {
			return w, nil, exit.Errorf(exit.Usage, "%s", err)
		}
	}
	w.Check = keycheck.Options{Resolver: uncached(o)}
	w.Verify, done, err = o.verifier(ctx)
	return w, done, err
}

// uncached are the options of a resolver that remembers nothing: who looks again, after a
// record was published, wants to know it anew.
func uncached(o *Options) resolver.Options {
	return resolver.Options{Nameservers: o.Nameservers, TrustAnchorFile: o.TrustAnchor, CacheSize: -1}
}

// verifier verifies by the rules of an empty configuration, with the name servers of ours.
func (o *Options) verifier(ctx context.Context) (_ web.Verify, _ func(), err error) {
	cfg := config.New()
	for name, value := range map[string]string{"Nameservers": strings.Join(o.Nameservers, ","), "TrustAnchorFile": o.TrustAnchor} {
		if value == "" {
			continue
		}
		if problems := cfg.Set(name, value, "the command line"); problems.HasErrors() {
			return nil, nil, exit.Errorf(exit.Usage, "%s", problems[0])
		}
	}
	snapshot, done, problems := build.Verifying(ctx, cfg, build.ToolParts(o.Version))
	if snapshot == nil {
		return nil, nil, exit.Problems(problems)
	}
	if o.Public {
		snapshot.Resolver = web.PublicNames(snapshot.Resolver)
	} else if snapshot.Resolver, err = resolver.New(uncached(o)); err != nil {
		done()
		return nil, nil, exit.Errorf(exit.Usage, "%s", err)
	}
	v := trial.Verifier{Snapshot: snapshot}
	return func(ctx context.Context, now time.Time, fields *header.List, body []byte) (evidence, judged []dkim.Result) {
		all := explain.Evidence(now)
		if o.Public {
			all.MaximumSignatures = publicSignatures
		}
		return v.Verify(ctx, all, fields, body), v.ByRules(ctx, now, fields, body)
	}, done, nil
}

// Serve serves the pages until ctx ends, and tells on out where they are.
func (o *Options) Serve(ctx context.Context, out io.Writer) error {
	a, err := o.where()
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
	if folder := os.Getenv("RUNTIME_DIRECTORY"); folder != "" && !o.Public {
		stop, err := serveLogins(filepath.Join(folder, loginSocket), func() string { return url + "login?token=" + server.Token() })
		if err != nil {
			return exit.Errorf(exit.OSErr, "%w", err)
		}
		defer stop()
		fmt.Fprintf(out, "%s\nlog in with: dojang web login\n", url)
	} else if o.Public {
		fmt.Fprintln(out, url)
	} else {
		fmt.Fprintf(out, "%slogin?token=%s\n", url, server.Token())
	}
	if err := server.Serve(ctx, l); err != nil {
		return exit.Errorf(exit.OSErr, "%w", err)
	}
	return nil
}

// open listens.
func (o *Options) open(a address) (net.Listener, error) {
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
	if o.Certificate == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(o.Certificate, o.KeyFile)
	if err != nil {
		l.Close()
		return nil, exit.Errorf(exit.Config, "%w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}}), nil
}

// listenUnix listens on a UNIX socket as the filter does.
func listenUnix(path string, mode os.FileMode) (net.Listener, error) {
	return app.Listen(config.Socket{Network: "unix", Address: path, HasMode: true, Mode: mode}, build.CurrentAccount())
}

// url is the address of the pages.
func (o *Options) url(a address, l net.Listener) string {
	scheme := "http"
	if o.Certificate != "" {
		scheme = "https"
	}
	name := ""
	if len(o.Names) > 0 {
		name = o.Names[0]
	}
	if _, port := splitName(name); a.unix != "" || port != "" {
		if a.unix != "" {
			scheme = "https" // the proxy's
		}
		return scheme + "://" + cmp.Or(name, "localhost") + "/"
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return scheme + "://" + net.JoinHostPort(cmp.Or(name, a.tcp.Addr().String()), port) + "/"
}

// splitName is a Host name of the pages without the port that may stand behind it.
func splitName(name string) (host, port string) {
	host, port, err := net.SplitHostPort(name)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return name, ""
	}
	return host, port
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
