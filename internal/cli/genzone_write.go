package cli

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"dojang/internal/keyrecord"
)

// soaOptions are what a zone file begins with.
type soaOptions struct {
	write                          bool
	contact                        string
	nameservers                    []string
	expire, refresh, retry, minTTL int // seconds
}

func defaultSOA() soaOptions {
	return soaOptions{expire: 604800, refresh: 10800, retry: 1800, minTTL: 86400}
}

// header writes SOA and NS records in opendkim-genzone's layout. Names with a
// dot in them are made absolute: under the zone's own name, as OpenDKIM writes
// them, they would name no host.
func (o soaOptions) header(w io.Writer, now time.Time) {
	if o.write {
		fmt.Fprintf(w, "@\tIN\tSOA\t%s\t%s\t (\n", absolute(o.primary()), o.contactName())
		fmt.Fprintf(w, "\t%-13s; Serial (yyyymmddhh)\n", now.Format("2006010215"))
		fmt.Fprintf(w, "\t%-13d; Refresh\n\t%-13d; Retry\n\t%-13d; Expire\n\t%-11d) ; Default\n\n", o.refresh, o.retry, o.expire, o.minTTL)
	}
	for _, ns := range o.nameservers {
		fmt.Fprintf(w, "\tIN\tNS\t%s\n", absolute(ns))
	}
	if len(o.nameservers) > 0 {
		fmt.Fprintln(w)
	}
}

// primary is the first name server, or this machine.
func (o soaOptions) primary() string {
	if len(o.nameservers) > 0 {
		return o.nameservers[0]
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}

// contactName is the contact's address as a domain name (RFC 1035 §8).
func (o soaOptions) contactName() string {
	contact := o.contact
	if contact == "" {
		name := "hostmaster"
		if u, err := user.Current(); err == nil && u.Username != "" {
			name = u.Username
		}
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "localhost"
		}
		if !strings.Contains(host, ".") {
			return name + "." + host
		}
		contact = name + "@" + host
	}
	local, host, isAddress := strings.Cut(contact, "@")
	if !isAddress {
		return absolute(contact)
	}
	name := strings.ReplaceAll(local, ".", `\.`) + "." + host
	if !strings.Contains(host, ".") {
		return name
	}
	return strings.TrimSuffix(name, ".") + "."
}

func absolute(name string) string {
	if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") {
		return name + "."
	}
	return name
}

// zoneText is the record's value as opendkim-genzone writes it: tags without
// blanks between, semicolons escaped.
func zoneText(r keyrecord.Record) string {
	text := "v=DKIM1;k=" + r.KeyType + ";"
	if r.EmailOnly {
		text += "s=email;"
	}
	return strings.ReplaceAll(text+"p="+r.PublicKey, ";", `\;`)
}

// writeZoneRecord writes one record in opendkim-genzone's layout.
func writeZoneRecord(w io.Writer, name string, ttl int, r keyrecord.Record) {
	const firstChars, nextChars = 75, 66
	fmt.Fprint(w, name)
	if ttl >= 0 {
		fmt.Fprintf(w, "\t%d", ttl)
	}
	text := zoneText(r)
	n := min(firstChars, len(text))
	fmt.Fprintf(w, "\tIN\tTXT\t( \"%s\"", text[:n])
	for text = text[n:]; text != ""; text = text[n:] {
		n = min(nextChars, len(text))
		fmt.Fprintf(w, "\n\t\"%s\"", text[:n])
	}
	fmt.Fprint(w, " )\n")
}

// quoteEscaped cuts escaped text into quoted strings a TXT record can hold.
func quoteEscaped(text string) string {
	return `"` + strings.Join(keyrecord.Split(text, 255), `" "`) + `"`
}

// updateScript is the frame of commands for nsupdate(1).
type updateScript struct {
	w          io.Writer
	zone       string
	defaultTTL int // seconds: nsupdate(1) wants one on every record
}

func (u *updateScript) begin(server string) { fmt.Fprintf(u.w, "server %s\n", server) }

// in goes to a zone. One update cannot touch two: what is pending is sent.
func (u *updateScript) in(zone string) {
	if zone == u.zone {
		return
	}
	if u.zone != "" {
		fmt.Fprint(u.w, "send\nanswer\n")
	}
	u.zone = zone
	fmt.Fprintf(u.w, "zone %s\n", zone)
}

func (u *updateScript) add(name string, ttl int, strs string) {
	if ttl < 0 {
		ttl = u.defaultTTL
	}
	fmt.Fprintf(u.w, "update add %s %d TXT %s\n", name, ttl, strs)
}

func (u *updateScript) end() { fmt.Fprint(u.w, "send\nanswer\n") }
