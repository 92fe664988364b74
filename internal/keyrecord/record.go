// Package keyrecord writes the TXT record that publishes a DKIM key (RFC 6376
// §3.6.1) the way name servers, zone files and DNS panels want to be given it.
package keyrecord

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/net/idna"

	"dojang/dkim"
)

// DefaultTTLSeconds is the time to live of records whose TTLSeconds is zero.
const DefaultTTLSeconds = 3600

// maxStringBytes is the most one character-string of a TXT record holds
// (RFC 1035 §3.3.14).
const maxStringBytes = 255

// Record is one key record: what it says and where it belongs.
type Record struct {
	Selector     string
	Domain       string // "" when unknown; U-labels are written as A-labels
	KeyType      string // k=: "rsa" or "ed25519"
	PublicKey    string // p=: base64, no blanks; "" is a revoked key
	Hashes       string // h=: colon-separated, "" for none
	Note         string // n=: plain text for people, "" for none
	Testing      bool   // t=y
	NoSubdomains bool   // t=s
	EmailOnly    bool   // s=email
	TTLSeconds   int    // 0 means DefaultTTLSeconds

	// Of a record that is known as it stands in DNS, see Published:
	owner string // its absolute name, without the final dot
	text  string
}

// Published is the record with a text at a name of a zone, both without final dot, which
// need not be SELECTOR._domainkey.DOMAIN: a domain's alias may lead anywhere.
func Published(name, zone, text string, ttlSeconds int) Record {
	r := Record{Domain: zone, TTLSeconds: ttlSeconds, owner: strings.ToLower(strings.TrimSuffix(ASCII(name), ".")), text: text}
	r.Selector, _, _ = strings.Cut(r.owner, "._domainkey.")
	if key, err := dkim.ParseKeyRecord(text); err == nil {
		r.KeyType = key.Type
	}
	return r
}

// PublicKey returns the k= and p= values of a public key: the
// SubjectPublicKeyInfo of an RSA key (RFC 6376 §3.6.1), the 32 bare octets of
// an Ed25519 key (RFC 8463 §4), each in base64.
func PublicKey(pub crypto.PublicKey) (keyType, base64Key string, err error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return "", "", err
		}
		return "rsa", base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		return "ed25519", base64.StdEncoding.EncodeToString(k), nil
	default:
		return "", "", fmt.Errorf("a %T cannot be a DKIM key: use RSA or Ed25519", pub)
	}
}

// Of returns the record of a public key; selector, domain and all else are to be set.
func Of(pub crypto.PublicKey) (Record, error) {
	keyType, base64Key, err := PublicKey(pub)
	return Record{KeyType: keyType, PublicKey: base64Key}, err
}

// tags returns everything before p=, each tag closed by "; ".
func (r Record) tags() string {
	var b strings.Builder
	b.WriteString("v=DKIM1; ")
	if r.Note != "" {
		// Compat(opendkim 2.11): the note stands in double quotes.
		b.WriteString(`n="` + encodeNote(r.Note) + `"; `)
	}
	if r.Hashes != "" {
		b.WriteString("h=" + r.Hashes + "; ")
	}
	b.WriteString("k=" + r.KeyType + "; ")
	switch {
	case r.Testing && r.NoSubdomains:
		b.WriteString("t=y:s; ")
	case r.Testing:
		b.WriteString("t=y; ")
	case r.NoSubdomains:
		b.WriteString("t=s; ")
	}
	if r.EmailOnly {
		b.WriteString("s=email; ")
	}
	return b.String()
}

// encodeNote is RFC 6376 §2.11's quoted-printable for a note: what would end
// the tag or may not stand in it becomes =XX, all else stays legible.
func encodeNote(note string) string {
	var b strings.Builder
	for i := 0; i < len(note); i++ {
		c := note[i]
		if c == ';' || c == '=' || c < ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Text is the record's value: its strings joined, without any quoting.
func (r Record) Text() string {
	if r.owner != "" {
		return r.text
	}
	return r.tags() + "p=" + r.PublicKey
}

// Strings is Text cut into the fewest strings a TXT record can carry it in.
func (r Record) Strings() []string { return Split(r.Text(), maxStringBytes) }

// Relative is the record's name below the domain: "SELECTOR._domainkey".
func (r Record) Relative() string {
	if r.owner != "" {
		return strings.TrimSuffix(r.owner, "."+r.asciiDomain())
	}
	return ASCII(r.Selector) + "._domainkey"
}

// Name is the record's absolute name with its final dot, or Relative when the
// domain is not known.
func (r Record) Name() string {
	if r.Domain == "" {
		return r.Relative()
	}
	return r.Relative() + "." + r.asciiDomain() + "."
}

func (r Record) asciiDomain() string { return ASCII(strings.TrimSuffix(r.Domain, ".")) }

func (r Record) ttl() int {
	if r.TTLSeconds == 0 {
		return DefaultTTLSeconds
	}
	return r.TTLSeconds
}

// ASCII turns U-labels into A-labels (RFC 5891) and leaves all else alone:
// DKIM names hold underscores, which stricter IDNA profiles refuse.
func ASCII(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			if ascii, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(name); err == nil {
				return ascii
			}
			break
		}
	}
	return name
}

// Canonical is a name however it is written: in A-labels and lower case, without the final
// dot.
func Canonical(name string) string { return strings.ToLower(strings.TrimSuffix(ASCII(name), ".")) }

// CheckName refuses a selector or domain that cannot be a DNS name of letters,
// digits, hyphens, underscores and dots. what names it in the error.
func CheckName(what, name string) error {
	ascii := strings.TrimSuffix(ASCII(name), ".")
	if ascii == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	if len(ascii) > 253 {
		return fmt.Errorf("%s %.40q... is %d bytes long; a DNS name has at most 253", what, ascii, len(ascii))
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%s %q has a label of %d bytes; each must have 1 to 63", what, name, len(label))
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return fmt.Errorf("%s %q may not hold %q: use letters, digits, '-', '_' and '.'", what, name, c)
			}
		}
	}
	return nil
}

// CheckSelector refuses what cannot be a selector: an impossible name, and one with a final
// dot, which ends a domain and no selector.
func CheckSelector(selector string) error {
	if strings.HasSuffix(selector, ".") {
		return fmt.Errorf("selector %q ends with a dot", selector)
	}
	return CheckName("selector", selector)
}

// Split cuts text into pieces of at most n bytes. Empty text is one empty piece.
func Split(text string, n int) []string {
	pieces := make([]string, 0, len(text)/n+1)
	for len(text) > n {
		pieces = append(pieces, text[:n])
		text = text[n:]
	}
	return append(pieces, text)
}

// Quote writes one character-string as a zone file does (RFC 1035 §5.1).
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// QuoteAll writes several character-strings with a blank between them.
func QuoteAll(strs []string) string {
	quoted := make([]string, len(strs))
	for i, s := range strs {
		quoted[i] = Quote(s)
	}
	return strings.Join(quoted, " ")
}
