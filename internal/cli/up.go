package cli

import (
	"crypto"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
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

// upKey is one of the two keys.
type upKey struct {
	selector string
	ed25519  bool
	path     string
	record   keyrecord.Record
}

// upState is what the state folder holds.
type upState struct {
	dir, domain, config string
	keys                []upKey
}

// prepareState makes whatever the state folder lacks. A key that is there is
// never replaced.
func prepareState(o upOptions) (*upState, error) {
	dir, err := filepath.Abs(o.state)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--state: %w", err)
	}
	if strings.ContainsAny(dir, " \t#,:") {
		return nil, exit.Errorf(exit.Usage, "--state %s: table files cannot name a path with blanks, '#', ',' or ':'; choose another folder", dir)
	}
	domain := strings.ToLower(o.domain)
	if domain == "" {
		domain = hostDomain()
	}
	if err := keyrecord.CheckName("--domain", domain); err != nil {
		return nil, exit.Errorf(exit.Usage, "%s", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "%s", err)
	}
	st := &upState{dir: dir, domain: domain, config: filepath.Join(dir, "opendkim.conf")}
	for _, k := range []upKey{{selector: "dojang"}, {selector: "dojang-ed25519", ed25519: true}} {
		k.path = filepath.Join(dir, "keys", domain+"-"+k.selector+".private")
		if err := k.prepare(domain); err != nil {
			return nil, err
		}
		st.keys = append(st.keys, k)
	}
	if err := st.writeFiles(o.socket); err != nil {
		return nil, err
	}
	return st, st.addRows()
}

// addRows has the tables name the keys: those of a first run do already, and a domain
// that comes later is added.
func (st *upState) addRows() error {
	keys := dataset.TextTable{Path: filepath.Join(st.dir, "KeyTable")}
	senders := dataset.TextTable{Path: filepath.Join(st.dir, "SigningTable"), Patterns: true}
	for _, k := range st.keys {
		name := k.selector + "._domainkey." + st.domain
		for _, row := range []struct {
			table dataset.TextTable
			dataset.Pair
		}{
			{keys, dataset.Pair{Key: name, Value: st.domain + ":" + k.selector + ":" + k.path}},
			{senders, dataset.Pair{Key: "*@" + st.domain, Value: name}},
		} {
			values, _, err := row.table.Find(row.Key)
			if err != nil {
				return exit.Errorf(exit.NoInput, "%s: %w", row.table.Path, err)
			}
			if slices.Contains(values, row.Value) {
				continue
			}
			if err := row.table.Append(row.Pair); err != nil {
				return exit.Errorf(exit.CantCreate, "%s: %w", row.table.Path, err)
			}
		}
	}
	return nil
}

// hostDomain is the domain of this host: its full name without the host's own
// label, or what there is of it.
func hostDomain() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost.localdomain"
	}
	if !strings.Contains(name, ".") {
		if full, err := net.LookupCNAME(name); err == nil && strings.Contains(strings.TrimSuffix(full, "."), ".") {
			name = strings.TrimSuffix(full, ".")
		}
	}
	name = strings.ToLower(name)
	switch labels := strings.Split(name, "."); len(labels) {
	case 1:
		return name + ".localdomain"
	case 2:
		return name
	default:
		return strings.Join(labels[1:], ".")
	}
}

// prepare makes the key unless it is there, and reads its public half.
func (k *upKey) prepare(domain string) error {
	if !exists(k.path) {
		pair, err := newKey(k.ed25519, 2048)
		if err != nil {
			return exit.Errorf(exit.Software, "making a key: %w", err)
		}
		if err := writeSecret(k.path, pair.PEM, atomicfile.Options{New: true}); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		return exit.Errorf(exit.NoInput, "%s", err)
	}
	private, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return exit.Errorf(exit.DataErr, "%s: %s; move it away, and a new one is made", k.path, err)
	}
	return k.publish(private.Public(), domain)
}

func (k *upKey) publish(public crypto.PublicKey, domain string) error {
	record, err := keyrecord.Of(public)
	if err != nil {
		return exit.Errorf(exit.DataErr, "%s: %s", k.path, err)
	}
	record.Selector, record.Domain, record.Hashes = k.selector, domain, "sha256"
	k.record = record
	return nil
}

// writeFiles writes tables and configuration where they are missing. The
// configuration is one that OpenDKIM takes too.
func (st *upState) writeFiles(socket string) error {
	path := func(name string) string { return filepath.Join(st.dir, name) }
	files := map[string]string{
		path("KeyTable"):     "# name  domain:selector:private key\n",
		path("SigningTable"): "# author  name in KeyTable\n",
		path("TrustedHosts"): "# clients whose mail is signed\n127.0.0.1\n::1\nlocalhost\n",
		st.config: fmt.Sprintf(`# Made by "dojang up"; see opendkim.conf(5).
Mode                sv
Socket              %s
Background          no
Canonicalization    relaxed/simple
KeyTable            %s
SigningTable        refile:%s
MultipleSignatures  yes
OversignHeaders     From
ExternalIgnoreList  refile:%s
InternalHosts       refile:%s
Syslog              yes
SyslogSuccess       yes
`, socket, path("KeyTable"), path("SigningTable"), path("TrustedHosts"), path("TrustedHosts")),
	}
	for name, text := range files {
		if err := writeNew(name, text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file unless it is there.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return exit.Errorf(exit.CantCreate, "%s", err)
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return exit.Errorf(exit.IOErr, "%s: %s", path, err)
	}
	return f.Close()
}
