package zone

import (
	"fmt"
	"io"
	"strings"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/policy"
)

// signer is a domain's name as it stands in d=: in small letters and A-labels.
func signer(domain string) (string, error) {
	domain = strings.ToLower(keyrecord.ASCII(domain))
	return domain, keyrecord.CheckName("domain", domain)
}

// WriteSigners writes the records that authorize domains to sign (RFC 6541 §4.2), their
// names with ._atps when suffix is set. hash is sha256, sha1 or none.
func (o Options) WriteSigners(w io.Writer, program string, now time.Time, hash string, suffix bool, domains []string) {
	title(w, "ATPS", "", program, now)
	o.Header(w, now)
	for _, domain := range domains {
		name := signerLabel(hash, domain)
		if suffix {
			name += "._atps"
		}
		if o.TTLSeconds >= 0 {
			name += fmt.Sprintf("\t%d", o.TTLSeconds)
		}
		fmt.Fprintf(w, "%s\tIN\tTXT\t%s\n", name, signerText(domain))
	}
}

// WriteSignerUpdates writes commands for nsupdate(1) that add the records below _atps
// of zone, where verifiers look for them, by absolute names.
func (o Options) WriteSignerUpdates(w io.Writer, zone, hash string, domains []string) {
	zone = strings.TrimSuffix(zone, ".")
	script := o.updates(w)
	script.in(zone)
	for _, domain := range domains {
		script.add(signerLabel(hash, domain)+"._atps."+zone+".", signerText(domain))
	}
	script.end()
}

// signerLabel is the first part of the record's name.
//
// Compat(opendkim 2.11): hashes stand in capital letters. Its tool cuts SHA-256 to 160
// bits, and so publishes names for which nobody asks: verifiers, its own library among
// them, ask for the whole hash.
func signerLabel(hash, domain string) string {
	label, _ := policy.ATPSLabel(hash, domain)
	if hash == "none" {
		return label
	}
	return strings.ToUpper(label)
}

func signerText(domain string) string { return keyrecord.Quote("v=ATPS1; d=" + domain) }
