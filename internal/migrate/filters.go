package migrate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
)

// add puts a key and the domain that it signs for into the tables.
func (t *Tables) add(author, domain, selector, path string) {
	name := selector + "._domainkey." + strings.TrimPrefix(author, ".")
	for i := 2; t.has(name); i++ {
		name = fmt.Sprintf("%s._domainkey.%s-%d", selector, domain, i)
	}
	t.Keys = append(t.Keys, Key{Name: name, Domain: domain, Selector: selector, Path: path})
	for i := range t.Signing {
		if t.Signing[i].Author == author {
			t.Signing[i].Key += "," + name
			return
		}
	}
	t.Signing = append(t.Signing, Signing{Author: author, Key: name})
}

func (t *Tables) has(name string) bool {
	for _, k := range t.Keys {
		if k.Name == name {
			return true
		}
	}
	return false
}

// showkeys is a line of `amavisd showkeys`:
// "; key#1 2048 bits, s=dkim, d=example.com, /var/db/dkim/example.pem".
var showkeys = regexp.MustCompile(`^;\s*key#?\d*.*?\bs=([^,\s]+),\s*d=([^,\s]+),\s*(\S+)`)

// FromAmavis reads what `amavisd showkeys` prints.
func FromAmavis(r io.Reader) (Tables, error) {
	var t Tables
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		m := showkeys.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		author, domain := strings.ToLower(m[2]), strings.ToLower(m[2])
		if super, ok := strings.CutPrefix(domain, "*"); ok {
			author, domain = first(super, "*"), "%" // amavis signs as the sender's domain then
		}
		if strings.Contains(author[1:], "*") || domain != "%" && strings.HasPrefix(domain, ".") {
			return t, fmt.Errorf("no signature can have d=%.256s: take that dkim_key out, or write example.com or *.example.com", m[2])
		}
		t.add(author, domain, m[1], m[3])
	}
	if s.Err() == nil && len(t.Keys) == 0 {
		return t, errors.New("there is no line like \"; key#1 2048 bits, s=SELECTOR, d=DOMAIN, /PATH\": give it what `amavisd showkeys` prints")
	}
	return t, s.Err()
}

// FromDkimpy reads the configuration of dkimpy-milter: Domain, Selector,
// KeyFile, SelectorEd25519 and KeyFileEd25519. Its KeyTable and SigningTable are
// OpenDKIM's already.
func FromDkimpy(r io.Reader) (Tables, error) {
	set := map[string]string{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if fields := strings.Fields(line); len(fields) >= 2 {
			set[strings.ToLower(fields[0])] = strings.Join(fields[1:], " ")
		}
	}
	if err := s.Err(); err != nil {
		return Tables{}, err
	}
	if set["keytable"] != "" {
		return Tables{}, fmt.Errorf("it has KeyTable %s and SigningTable %s: name both in opendkim.conf as they are", set["keytable"], set["signingtable"])
	}
	var t Tables
	for _, domain := range strings.FieldsFunc(set["domain"], func(c rune) bool { return c == ',' || c == ' ' }) {
		domain = strings.ToLower(domain)
		if set["keyfile"] != "" && set["selector"] != "" {
			t.add(domain, domain, set["selector"], set["keyfile"])
		}
		if set["keyfileed25519"] != "" && set["selectored25519"] != "" {
			t.add(domain, domain, set["selectored25519"], set["keyfileed25519"])
		}
	}
	if len(t.Keys) == 0 {
		return t, errors.New("it has no Domain with Selector and KeyFile")
	}
	return t, nil
}

// FromRspamd reads rspamd's dkim_signing.conf: the domains of its "domain" block,
// each with selector and path, or "selectors". Where only the pattern of paths is
// given, glob finds the keys: nil looks at the file system.
func FromRspamd(r io.Reader, glob func(pattern string) ([]string, error)) (Tables, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return Tables{}, err
	}
	root, err := parseUCL(string(text))
	if err != nil {
		return Tables{}, err
	}
	if inner, ok := root.blocks["dkim_signing"]; ok {
		root = inner
	}
	var t Tables
	if domains := root.blocks["domain"]; domains != nil {
		for _, name := range domains.order {
			rspamdDomain(&t, name, domains.blocks[name], root)
		}
	}
	if pattern := root.values["path"]; len(t.Keys) == 0 && strings.Contains(pattern, "$domain") {
		if err := rspamdPattern(&t, pattern, root.values["selector"], glob); err != nil {
			return t, err
		}
	}
	if len(t.Keys) == 0 {
		return t, errors.New("it names no key: neither domain { NAME { selector, path } } nor a path with $domain under which there are files")
	}
	return t, nil
}

func rspamdDomain(t *Tables, domain string, b, root *block) {
	domain = strings.ToLower(domain)
	pairs := []*block{b}
	if inner := b.blocks["selectors"]; inner != nil {
		pairs = nil
		for _, name := range inner.order {
			pairs = append(pairs, inner.blocks[name])
		}
	}
	for _, p := range pairs {
		selector, path := first(p.values["selector"], root.values["selector"], "dkim"), first(p.values["path"], root.values["path"])
		signed := domain
		if domain == "*" { // all that have no block of their own
			signed = "%"
		}
		path = strings.NewReplacer("$domain", signed, "$selector", selector).Replace(path)
		t.add(domain, signed, selector, path)
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// rspamdPattern finds the keys that a path such as
// /var/lib/rspamd/dkim/$domain.$selector.key stands for.
func rspamdPattern(t *Tables, pattern, selector string, glob func(string) ([]string, error)) error {
	if glob == nil {
		glob = filepath.Glob
	}
	selector = first(selector, "dkim")
	pattern = strings.ReplaceAll(pattern, "$selector", selector)
	paths, err := glob(strings.ReplaceAll(pattern, "$domain", "*"))
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(pattern, "$domain")
	for _, path := range paths {
		domain := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(path, before), after))
		t.add(domain, domain, selector, path)
	}
	return nil
}
