package keyrecord

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is a way to hand a record to a name server or its panel.
type Format string

// The formats Write knows.
const (
	Bind       Format = "bind"        // opendkim-genkey's own zone-file layout, several lines in parentheses
	ZoneLine   Format = "zone-line"   // one line of a zone file, absolute name, quoted strings
	SingleLine Format = "single-line" // the bare value, for panels that cut and quote it themselves
	PowerDNS   Format = "powerdns"    // a pdnsutil command
	Route53    Format = "route53"     // a change batch for `aws route53 change-resource-record-sets`
	NSUpdate   Format = "nsupdate"    // commands for nsupdate(1)
	Cloudflare Format = "cloudflare"  // the body of a request to Cloudflare's API, one line a record
	Split255   Format = "split-255"   // the bare value in pieces of 255 characters at most, one a line
	Terraform  Format = "terraform"   // a resource aws_route53_record
	JSON       Format = "json"        // every part by name, for scripts
)

// Formats lists every Format, in the order help texts name them.
func Formats() []Format {
	return []Format{Bind, ZoneLine, SingleLine, Split255, PowerDNS, Route53, Cloudflare, Terraform, NSUpdate, JSON}
}

// ParseFormat finds a Format by name, in any case.
func ParseFormat(name string) (Format, error) {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		if strings.EqualFold(name, string(f)) {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown record format %q: use one of %s", name, strings.Join(names, ", "))
}

// OpenDKIM is the record as Debian's opendkim-genkey lays it out, which
// scripts parse: byte for byte, its split at 250 characters of key included.
// The domain joins the name only when appendDomain is set.
func (r Record) OpenDKIM(appendDomain bool) string {
	var b strings.Builder
	name := r.Relative()
	if appendDomain {
		name += "." + r.asciiDomain() + "."
	}
	b.WriteString(name + "\tIN\tTXT\t( ")
	for i, s := range Split(r.tags(), maxStringBytes) {
		if i > 0 {
			b.WriteString("\n\t  ")
		}
		b.WriteString(Quote(s))
	}
	b.WriteString("\n\t  \"p=")
	key := r.PublicKey
	const chunk = 250
	for len(key) >= chunk {
		b.WriteString(key[:chunk] + "\"\n\t  \"")
		key = key[chunk:]
	}
	b.WriteString(key + "\" ) ")
	if r.Domain != "" {
		b.WriteString(" ; ----- DKIM key " + r.Selector + " for " + r.Domain)
	}
	b.WriteString("\n")
	return b.String()
}

// Line is the record as one line of a zone file.
func (r Record) Line() string {
	return fmt.Sprintf("%s\t%d\tIN\tTXT\t%s", r.Name(), r.ttl(), QuoteAll(r.Strings()))
}

// errNeedsDomain is returned for formats that cannot name a record without its
// domain.
var errNeedsDomain = errors.New("this format needs the domain's name: give it with --domain")

// writers make the text of each Format; the map is never written to.
var writers = map[Format]func([]Record) (string, error){
	Bind: func(records []Record) (string, error) {
		return eachRecord(records, func(r Record) string {
			if r.owner != "" { // genkey's layout is for its own records
				return r.Line() + "\n"
			}
			return r.OpenDKIM(r.Domain != "")
		})
	},
	ZoneLine: func(records []Record) (string, error) {
		return eachRecord(records, func(r Record) string { return r.Line() + "\n" })
	},
	SingleLine: func(records []Record) (string, error) { return bareValues(records, Record.Text) },
	Split255: func(records []Record) (string, error) {
		return bareValues(records, func(r Record) string { return strings.Join(r.Strings(), "\n") })
	},
	PowerDNS: powerDNS, Route53: route53, Cloudflare: cloudflare, Terraform: terraform, NSUpdate: nsupdate, JSON: jsonText,
}

func eachRecord(records []Record, f func(Record) string) (string, error) {
	var b strings.Builder
	for _, r := range records {
		b.WriteString(f(r))
	}
	return b.String(), nil
}

// Write writes the records in the format. It fails when a format needs the
// domain and a record has none, or when w fails.
func Write(w io.Writer, f Format, records ...Record) error {
	write, ok := writers[f]
	if !ok {
		_, err := ParseFormat(string(f))
		return err
	}
	text, err := write(records)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

// bareValues writes one bare value alone, so that a script can take it as it is;
// several each follow their name.
func bareValues(records []Record, value func(Record) string) (string, error) {
	if len(records) == 1 {
		return value(records[0]) + "\n", nil
	}
	return eachRecord(records, func(r Record) string { return "# " + r.Name() + "\n" + value(r) + "\n" })
}

func powerDNS(records []Record) (string, error) {
	var b strings.Builder
	for _, r := range records {
		if r.Domain == "" {
			return "", errNeedsDomain
		}
		content := "'" + strings.ReplaceAll(QuoteAll(r.Strings()), "'", `'\''`) + "'"
		fmt.Fprintf(&b, "pdnsutil replace-rrset %s %s TXT %d %s\n", r.asciiDomain(), r.Relative(), r.ttl(), content)
	}
	return b.String(), nil
}

type cloudflareRecord struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Content string `json:"content"`
	TTL     int    `json:"ttl"`
	Comment string `json:"comment"`
}

// cloudflare is what POST /zones/ID/dns_records takes: the content is quoted strings of
// at most 255 bytes each.
func cloudflare(records []Record) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, r := range records {
		if r.Domain == "" {
			return "", errNeedsDomain
		}
		name := strings.TrimSuffix(r.Name(), ".")
		if err := e.Encode(cloudflareRecord{"TXT", name, QuoteAll(r.Strings()), r.ttl(), "DKIM key record"}); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// terraform is a resource of the provider aws, which wants strings beyond 255 characters
// parted by two quotation marks.
func terraform(records []Record) (string, error) {
	var b strings.Builder
	for i, r := range records {
		if r.Domain == "" {
			return "", errNeedsDomain
		}
		if i > 0 {
			b.WriteString("\n")
		}
		name := strings.TrimSuffix(r.Name(), ".")
		strs := r.Strings()
		for j := range strs {
			quoted := Quote(strs[j])
			strs[j] = quoted[1 : len(quoted)-1]
		}
		fmt.Fprintf(&b, "resource \"aws_route53_record\" %s {\n  zone_id = var.zone_id\n  name    = %s\n  type    = "+
			"\"TXT\"\n  ttl     = %d\n  records = [%s]\n}\n",
			hclString(resourceName(name)), hclString(name), r.ttl(), hclString(strings.Join(strs, `""`)))
	}
	return b.String(), nil
}

// resourceName is a name of letters, digits and underscores that begins with a letter.
func resourceName(name string) string {
	return "dkim_" + strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			return c
		}
		return '_'
	}, name)
}

// hclString is a quoted string of Terraform's language. Its text has no control
// characters: Quote has written them in digits.
func hclString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

// nsupdate replaces what stands at the name: two records there would make
// every verifier fail.
func nsupdate(records []Record) (string, error) {
	var b strings.Builder
	for i, r := range records {
		if r.Domain == "" {
			return "", errNeedsDomain
		}
		if i > 0 && !strings.EqualFold(r.Domain, records[i-1].Domain) {
			b.WriteString("send\n") // one update cannot touch two zones
		}
		fmt.Fprintf(&b, "update delete %s TXT\n", r.Name())
		fmt.Fprintf(&b, "update add %s %d IN TXT %s\n", r.Name(), r.ttl(), QuoteAll(r.Strings()))
	}
	b.WriteString("send\n")
	return b.String(), nil
}

type route53Batch struct {
	Comment string
	Changes []route53Change
}

type route53Change struct {
	Action            string
	ResourceRecordSet route53Set
}

type route53Set struct {
	Name            string
	Type            string
	TTL             int
	ResourceRecords []route53Value
}

type route53Value struct{ Value string }

func route53(records []Record) (string, error) {
	batch := route53Batch{Comment: "DKIM key record"}
	for _, r := range records {
		if r.Domain == "" {
			return "", errNeedsDomain
		}
		batch.Changes = append(batch.Changes, route53Change{
			Action: "UPSERT",
			ResourceRecordSet: route53Set{
				Name: r.Name(), Type: "TXT", TTL: r.ttl(),
				ResourceRecords: []route53Value{{QuoteAll(r.Strings())}},
			},
		})
	}
	return marshal(batch)
}

// Document is what the format JSON says of records.
type Document struct {
	Records []DocumentRecord `json:"records"`
}

// DocumentRecord is one record of a Document.
type DocumentRecord struct {
	Selector string   `json:"selector"`
	Domain   string   `json:"domain,omitempty"`
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	TTL      int      `json:"ttl_seconds"`
	KeyType  string   `json:"key_type"`
	Text     string   `json:"text"`
	Bytes    int      `json:"text_bytes"`
	Strings  []string `json:"strings"`
}

func jsonText(records []Record) (string, error) {
	var out Document
	for _, r := range records {
		out.Records = append(out.Records, DocumentRecord{
			Selector: r.Selector, Domain: r.Domain, Name: r.Name(), Type: "TXT", TTL: r.ttl(),
			KeyType: r.KeyType, Text: r.Text(), Bytes: len(r.Text()), Strings: r.Strings(),
		})
	}
	return marshal(out)
}

func marshal(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.String(), err
}

// Advice says in plain lines how long the record is, how it is cut, and what
// to do where a provider takes no more than 255 characters.
func (r Record) Advice() []string {
	n := len(r.Strings())
	if n == 1 {
		return []string{fmt.Sprintf("%s: %d characters, fits one string", r.Name(), len(r.Text()))}
	}
	return []string{
		fmt.Sprintf("%s: %d characters, in %d strings of at most 255 that verifiers join without a blank", r.Name(), len(r.Text()), n),
		"where a provider's form takes only 255 characters:",
		"  - paste the value in one line without quotes; most cut it themselves (--format single-line)",
		"  - else sign with an Ed25519 key as well, which fits (--type both), and look for a provider that takes the RSA record: not every receiver knows Ed25519 yet",
		"  - else put a CNAME at " + r.Name() + " that points into a zone elsewhere which can hold the record",
		"  - a 1024-bit RSA key fits too (--bits 1024), but is weak: the last way out",
	}
}
