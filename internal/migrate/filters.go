package migrate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// add puts a key into the tables, and the authors that are signed for with it.
func (t *Tables) add(k Key, authors ...string) {
	name := k.Selector + "._domainkey." + strings.TrimPrefix(authors[0], ".")
	k.Name = name
	for i := 2; t.taken(k); i++ {
		k.Name = fmt.Sprintf("%s-%d", name, i)
	}
	if !slices.Contains(t.Keys, k) {
		t.Keys = append(t.Keys, k)
	}
	signing := t.signer()
	for _, author := range authors {
		signing.add(author, k.Name, "")
	}
}

// taken reports whether another key has the name.
func (t *Tables) taken(k Key) bool {
	return slices.ContainsFunc(t.Keys, func(have Key) bool { return have.Name == k.Name && have != k })
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
		t.add(Key{Domain: domain, Selector: m[1], Path: m[3]}, author)
	}
	if s.Err() == nil && len(t.Keys) == 0 {
		return t, errors.New("there is no line like \"; key#1 2048 bits, s=SELECTOR, d=DOMAIN, /PATH\": give it what " +
			"`amavisd showkeys` prints")
	}
	return t, s.Err()
}

// FromDkimpy reads the configuration of dkimpy-milter: Domain, SubDomains,
// Selector, KeyFile, SelectorEd25519 and KeyFileEd25519. Its KeyTable and
// SigningTable are OpenDKIM's already.
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
		return Tables{}, fmt.Errorf("it has KeyTable %s and SigningTable %s: name both in opendkim.conf as they are",
			set["keytable"], set["signingtable"])
	}
	var t Tables
	for _, domain := range strings.FieldsFunc(set["domain"], func(c rune) bool { return c == ',' || c == ' ' }) {
		domain = strings.ToLower(domain)
		authors := []string{domain}
		if isYes(set["subdomains"]) {
			authors = append(authors, "."+domain)
		}
		if set["keyfile"] != "" && set["selector"] != "" {
			t.add(Key{Domain: domain, Selector: set["selector"], Path: set["keyfile"]}, authors...)
		}
		if set["keyfileed25519"] != "" && set["selectored25519"] != "" {
			t.add(Key{Domain: domain, Selector: set["selectored25519"], Path: set["keyfileed25519"]}, authors...)
		}
	}
	if len(t.Keys) == 0 {
		return t, errors.New("it has no Domain with Selector and KeyFile")
	}
	return t, nil
}

// isYes is a switch of dkimpy-milter or rspamd that is on.
func isYes(value string) bool {
	switch strings.ToLower(value) {
	case "yes", "true", "on", "1":
		return true
	}
	return false
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
