//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// filter is one of those compared.
type filter interface {
	name() string
	// missing says why it cannot take part, "" when it can.
	missing() string
	start(ctx context.Context, o options, s *site, set setting) (*process, error)
}

// available leaves out, by name, what this machine does not have.
func available(o options, s *site) []filter {
	all := map[string]filter{
		"opendkim": opendkim{as: "opendkim", binary: find("opendkim")},
		"dkimpy":   dkimpy{find("dkimpy-milter")},
		"rspamd":   rspamd{find("rspamd")},
	}
	dojang := opendkim{as: "dojang"}
	if path, err := filepath.Abs(o.dojang); err == nil {
		if _, err := os.Stat(path); err == nil {
			dojang.binary = path
		}
	}
	all["dojang"] = dojang
	var list []filter
	for _, name := range o.filters {
		f, ok := all[name]
		switch {
		case !ok:
			fmt.Fprintf(os.Stderr, "bench: no filter is called %q\n", name)
		case f.missing() != "":
			fmt.Fprintf(os.Stderr, "bench: %s is left out: %s\n", name, f.missing())
		default:
			list = append(list, f)
		}
	}
	if s.dnsErr != nil {
		fmt.Fprintf(os.Stderr, "bench: no name server, so nothing is verified: %s\n", s.dnsErr)
	}
	return list
}

func find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	path, _ := exec.LookPath("/usr/sbin/" + program)
	return path
}

func installed(binary string) string {
	if binary == "" {
		return "not installed (make peers)"
	}
	return ""
}

// socket is where a filter shall listen: as the configuration has it, and as it
// is dialled.
func (set setting) socket(dir string) (spec, network, address string, err error) {
	if !set.tcp {
		path := filepath.Join(dir, "sock")
		return "local:" + path, "unix", path, nil
	}
	port, err := freePort()
	address = fmt.Sprintf("127.0.0.1:%d", port)
	return fmt.Sprintf("inet:%d@127.0.0.1", port), "tcp", address, err
}

// opendkim is OpenDKIM, and dojang, which reads the same configuration.
type opendkim struct{ as, binary string }

func (f opendkim) name() string    { return f.as }
func (f opendkim) missing() string { return installed(f.binary) }

func (f opendkim) start(ctx context.Context, o options, s *site, set setting) (*process, error) {
	dir, err := s.folder(f.as)
	if err != nil {
		return nil, err
	}
	spec, network, address, err := set.socket(dir)
	if err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "Mode %s\nSocket %s\nBackground no\nSyslog no\nCanonicalization relaxed/simple\nInternalHosts "+
		"127.0.0.1\nUMask 022\n", cmp.Or(set.mode, "sv"), spec)
	if set.verify {
		if s.dnsErr != nil {
			return nil, s.dnsErr
		}
		fmt.Fprintf(&c, "Nameservers %s\n", nameServer)
	}
	if err := writeTables(dir, s, set); err != nil {
		return nil, err
	}
	table := "refile:"
	if set.table == "file" {
		table = "file:"
	}
	fmt.Fprintf(&c, "KeyTable file:%s/KeyTable\nSigningTable %s%s/SigningTable\n", dir, table, dir)
	if set.rsa && set.ed25519 {
		c.WriteString("MultipleSignatures yes\n")
	} else if set.ed25519 {
		c.WriteString("SignatureAlgorithm ed25519-sha256\n")
	}
	conf := filepath.Join(dir, "opendkim.conf")
	if err := os.WriteFile(conf, []byte(c.String()), 0o644); err != nil {
		return nil, err
	}
	command := []string{f.binary, "-f", "-x", conf}
	if f.as == "dojang" {
		link := filepath.Join(dir, "opendkim") // the name that makes it the filter
		if err := os.Symlink(f.binary, link); err != nil {
			return nil, err
		}
		command[0] = link
	}
	return start(ctx, o, dir, network, address, command...)
}

// rowDomain is the author's domain of a table's row.
func rowDomain(i int) string { return fmt.Sprintf("d%d.example", i) }

func writeTables(dir string, s *site, set setting) error {
	keys, err := os.Create(filepath.Join(dir, "KeyTable"))
	if err != nil {
		return err
	}
	defer keys.Close()
	signing, err := os.Create(filepath.Join(dir, "SigningTable"))
	if err != nil {
		return err
	}
	defer signing.Close()
	k, t := bufio.NewWriter(keys), bufio.NewWriter(signing)
	if set.table == "" {
		if set.rsa || set.verify {
			path, err := s.keyOf(set.bits)
			if err != nil {
				return err
			}
			fmt.Fprintf(k, "rsa %s:%s:%s\n", domain, selector, path)
			fmt.Fprintf(t, "*@%s rsa\n", domain)
		}
		if set.ed25519 {
			fmt.Fprintf(k, "ed %s:%s-ed:%s\n", domain, selector, s.edPath)
			fmt.Fprintf(t, "*@%s ed\n", domain)
		}
	}
	pattern := "*@"
	if set.table == "file" {
		pattern = ""
	}
	if set.keys == "one" {
		fmt.Fprintf(k, "key %%:%s:%s\n", selector, s.rsaPath)
	}
	for i := range set.rows {
		path := s.rsaPath
		if set.keys == "each" {
			if path, err = s.keyFile(i); err != nil {
				return err
			}
		}
		if set.keys == "one" {
			fmt.Fprintf(t, "%s%s key\n", pattern, rowDomain(i))
			continue
		}
		fmt.Fprintf(k, "key%d %s:%s:%s\n", i, rowDomain(i), selector, path)
		fmt.Fprintf(t, "%s%s key%d\n", pattern, rowDomain(i), i)
	}
	if err := k.Flush(); err != nil {
		return err
	}
	return t.Flush()
}

// dkimpy is dkimpy-milter, in Python.
type dkimpy struct{ binary string }

func (f dkimpy) name() string    { return "dkimpy" }
func (f dkimpy) missing() string { return installed(f.binary) }

func (f dkimpy) start(ctx context.Context, o options, s *site, set setting) (*process, error) {
	dir, err := s.folder("dkimpy")
	if err != nil {
		return nil, err
	}
	spec, network, address, err := set.socket(dir)
	if err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "Socket %s\nPidFile %s/pid\nUserID root\nSyslog no\nMode sv\nCanonicalization "+
		"relaxed/simple\nInternalHosts 127.0.0.1\nUMask 022\nDomain %s\n", spec, dir, domain)
	if set.rsa {
		fmt.Fprintf(&c, "KeyFile %s\nSelector %s\n", s.rsaPath, selector)
	}
	if set.ed25519 {
		fmt.Fprintf(&c, "KeyFileEd25519 %s\nSelectorEd25519 %s-ed\n", s.edSeedPath, selector)
	}
	conf := filepath.Join(dir, "dkimpy.conf")
	if set.verify {
		if s.dnsErr != nil {
			return nil, s.dnsErr
		}
		// It asks whom /etc/resolv.conf names, so it gets one of its own.
		fmt.Fprintf(&c, "KeyFile %s\nSelector %s\n", s.rsaPath, selector)
		if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver "+nameServer+"\n"), 0o644); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(conf, []byte(c.String()), 0o644); err != nil {
		return nil, err
	}
	if set.verify {
		return start(ctx, o, dir, network, address, "unshare", "-m", "sh", "-c",
			"mount --bind "+dir+"/resolv.conf /etc/resolv.conf && exec "+f.binary+" "+conf)
	}
	return start(ctx, o, dir, network, address, f.binary, conf)
}
