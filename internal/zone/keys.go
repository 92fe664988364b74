package zone

import (
	"crypto"
	"fmt"
	"io"
	"strings"
	"time"

	"dojang/internal/keyrecord"
)

// Key is the record of one KeyTable row.
type Key struct {
	Row, Place string // the row's name, and where it stands
	Record     keyrecord.Record
}

// newKey makes the record of a row's key. A domain of "%" is one that is not known.
func newKey(row, place, domain, selector string, public crypto.PublicKey) (Key, error) {
	record, err := keyrecord.Of(public)
	if err != nil {
		return Key{}, err
	}
	if err := keyrecord.CheckSelector(selector); err != nil {
		return Key{}, err
	}
	if domain != "%" {
		if err := keyrecord.CheckName("domain", domain); err != nil {
			return Key{}, err
		}
	}
	record.Selector, record.Domain = selector, domain
	return Key{row, place, record}, nil
}

// collection is records of which each stands once.
type collection struct {
	Keys []Key
	seen map[string]int
}

// Add adds a key unless one of its name is there. It returns the one that is there when
// that is another key: two records at one name make every signature fail.
func (c *collection) Add(k Key) (other *Key) {
	name := strings.ToLower(k.Record.Name())
	if i, ok := c.seen[name]; ok {
		if c.Keys[i].Record.PublicKey != k.Record.PublicKey {
			return &c.Keys[i]
		}
		return nil
	}
	if c.seen == nil {
		c.seen = make(map[string]int)
	}
	c.seen[name] = len(c.Keys)
	c.Keys = append(c.Keys, k)
	return nil
}

// Layout is how opendkim-genzone names the records of a file.
type Layout struct {
	Options
	Domain    string // the file's, "" for keys of any domain
	DomainKey bool   // names end in ._domainkey
	FullNames bool   // names are absolute
}

// name is the name of a record in the file. Without FullNames it is relative to the
// domain, or without DomainKey to _domainkey below it; the key of a subdomain lies
// outside of the latter and has its absolute name there.
//
// OpenDKIM's tool leaves the subdomain out, and so publishes its key as the domain's.
func (l Layout) name(r keyrecord.Record) string {
	if l.FullNames {
		return r.Name()
	}
	below, isBelow := cutDomain(r, l.Domain)
	switch {
	case isBelow && !l.DomainKey:
		return r.Name()
	case isBelow:
		return r.Relative() + "." + below
	case l.DomainKey:
		return r.Relative()
	}
	return strings.TrimSuffix(r.Relative(), "._domainkey")
}

// cutDomain is what stands before domain in the record's own, when that is a subdomain.
func cutDomain(r keyrecord.Record, domain string) (below string, ok bool) {
	if domain == "" {
		return "", false
	}
	suffix := "." + strings.TrimSuffix(keyrecord.ASCII(domain), ".")
	own := strings.TrimSuffix(keyrecord.ASCII(r.Domain), ".")
	if len(own) <= len(suffix) || !strings.EqualFold(own[len(own)-len(suffix):], suffix) {
		return "", false
	}
	return own[:len(own)-len(suffix)], true
}

// WriteKeys writes the file; program is who says that he wrote it.
func (l Layout) WriteKeys(w io.Writer, program string, now time.Time, keys []Key) {
	title(w, "public key", l.Domain, program, now)
	l.Header(w, now)
	for _, k := range keys {
		l.writeKey(w, l.name(k.Record), k.Record)
	}
}

// Clash is two domains whose keys get one name in a file without absolute names.
type Clash struct{ Name, First, Second string }

// Clashes finds names that stand for keys of several domains.
func (l Layout) Clashes(keys []Key) []Clash {
	var list []Clash
	domains := map[string]string{}
	for _, k := range keys {
		name := l.name(k.Record)
		if first, ok := domains[name]; ok && first != k.Record.Domain {
			list = append(list, Clash{strings.TrimSuffix(name, "._domainkey"), first, k.Record.Domain})
		}
		domains[name] = k.Record.Domain
	}
	return list
}

// WriteKeyUpdates writes commands for nsupdate(1), names always absolute: it refuses
// others.
func (o Options) WriteKeyUpdates(w io.Writer, keys []Key) {
	script := o.updates(w)
	for _, k := range keys {
		script.in(strings.TrimPrefix(strings.TrimSuffix(k.Record.Name(), "."), k.Record.Relative()+"."))
		script.add(k.Record.Name(), quoteEscaped(keyText(k.Record)))
	}
	script.end()
}

// keyText is the record's value as opendkim-genzone writes it: tags without blanks
// between, semicolons escaped.
func keyText(r keyrecord.Record) string {
	text := "v=DKIM1;k=" + r.KeyType + ";"
	if r.EmailOnly {
		text += "s=email;"
	}
	return strings.ReplaceAll(text+"p="+r.PublicKey, ";", `\;`)
}

// writeKey writes one record in opendkim-genzone's layout.
func (o Options) writeKey(w io.Writer, name string, r keyrecord.Record) {
	const firstChars, nextChars = 75, 66
	fmt.Fprint(w, name)
	if o.TTLSeconds >= 0 {
		fmt.Fprintf(w, "\t%d", o.TTLSeconds)
	}
	text := keyText(r)
	n := min(firstChars, len(text))
	fmt.Fprintf(w, "\tIN\tTXT\t( \"%s\"", text[:n])
	for text = text[n:]; text != ""; text = text[n:] {
		n = min(nextChars, len(text))
		fmt.Fprintf(w, "\n\t\"%s\"", text[:n])
	}
	fmt.Fprint(w, " )\n")
}
