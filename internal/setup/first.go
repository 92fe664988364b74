package setup

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// stateKey is one of the two keys.
type stateKey struct {
	selector string
	ed25519  bool
	path     string
	record   keyrecord.Record
}

// State is what the folder of a first run holds.
type State struct {
	Dir, Domain, Config string
	keys                []stateKey
}

// Prepare makes whatever the state folder lacks. A key that is there is
// never replaced.
func Prepare(dir, domain, socket string) (*State, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--state: %w", err)
	}
	if strings.ContainsAny(dir, " \t#,:") {
		return nil, exit.Errorf(exit.Usage,
			"--state %s: table files cannot name a path with blanks, '#', ',' or ':'; choose another folder", dir)
	}
	domain = strings.ToLower(domain)
	if domain == "" {
		domain = hostDomain()
	}
	if err := keyrecord.CheckName("--domain", domain); err != nil {
		return nil, exit.Errorf(exit.Usage, "%s", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return nil, exit.Errorf(exit.CantCreate, "%s", err)
	}
	st := &State{Dir: dir, Domain: domain, Config: filepath.Join(dir, "opendkim.conf")}
	for _, k := range []stateKey{{selector: "dojang"}, {selector: "dojang-ed25519", ed25519: true}} {
		k.path = filepath.Join(dir, "keys", domain+"-"+k.selector+".private")
		if err := k.prepare(domain); err != nil {
			return nil, err
		}
		st.keys = append(st.keys, k)
	}
	if err := st.writeFiles(socket); err != nil {
		return nil, err
	}
	return st, st.addRows()
}

// addRows has the tables name the keys: those of a first run do already, and a domain
// that comes later is added.
func (st *State) addRows() error {
	keys := dataset.TextTable{Path: filepath.Join(st.Dir, "KeyTable")}
	senders := dataset.TextTable{Path: filepath.Join(st.Dir, "SigningTable"), Patterns: true}
	for _, k := range st.keys {
		name := k.selector + "._domainkey." + st.Domain
		for _, row := range []struct {
			table dataset.TextTable
			dataset.Pair
		}{
			{keys, dataset.Pair{Key: name, Value: st.Domain + ":" + k.selector + ":" + k.path}},
			{senders, dataset.Pair{Key: "*@" + st.Domain, Value: name}},
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
func (k *stateKey) prepare(domain string) error {
	if !exists(k.path) {
		pair, err := newKey(k.ed25519, 2048)
		if err != nil {
			return exit.Errorf(exit.Software, "making a key: %w", err)
		}
		if err := WriteSecret(k.path, pair.PEM, atomicfile.Options{New: true}); err != nil {
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

func (k *stateKey) publish(public crypto.PublicKey, domain string) error {
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
func (st *State) writeFiles(socket string) error {
	path := func(name string) string { return filepath.Join(st.Dir, name) }
	files := map[string]string{
		path("KeyTable"):     "# name  domain:selector:private key\n",
		path("SigningTable"): "# author  name in KeyTable\n",
		path("TrustedHosts"): "# clients whose mail is signed\n127.0.0.1\n::1\nlocalhost\n",
		st.Config: fmt.Sprintf(`# Made by "dojang up"; see opendkim.conf(5).
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

// Published are the texts of the records by name, for a resolver that is to know them
// before DNS does.
func (st *State) Published() map[string]string {
	published := map[string]string{}
	for _, k := range st.keys {
		published[strings.TrimSuffix(k.record.Name(), ".")] = k.record.Text()
	}
	return published
}

// WriteRecords writes the records to publish, as lines of a zone file.
func (st *State) WriteRecords(w io.Writer) {
	for _, k := range st.keys {
		_ = keyrecord.Write(w, keyrecord.ZoneLine, k.record) // a terminal that is gone does not mind
	}
}
