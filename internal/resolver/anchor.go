package resolver

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/miekg/dns"

	"dojang/internal/privilege"
)

// maxAnchors bounds the records of a trust anchor file.
const maxAnchors = 1000

// trustAnchors maps a zone's canonical name to what is trusted of it.
type trustAnchors map[string]*anchor

// anchor is the trusted keys of one zone, by themselves or by their digests.
type anchor struct {
	ds   []*dns.DS
	keys []*dns.DNSKEY
}

// readTrustAnchors reads a file of DS and DNSKEY records in master file syntax: what
// unbound's auto-trust-anchor-file and trust-anchor-file hold, and Debian's
// /usr/share/dns/root.key.
func readTrustAnchors(path string) (trustAnchors, error) {
	data, err := privilege.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("trust anchors: %w", err)
	}
	anchors, err := parseTrustAnchors(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return anchors, nil
}

var (
	errNoAnchor       = errors.New("no DS or DNSKEY record in it that can be used as a trust anchor")
	errTooManyAnchors = fmt.Errorf("more than %d trust anchors", maxAnchors)
)

func parseTrustAnchors(data []byte) (trustAnchors, error) {
	anchors := make(trustAnchors)
	parser := dns.NewZoneParser(bytes.NewReader(data), ".", "")
	parser.SetDefaultTTL(3600)
	for count := 0; ; count++ {
		rr, ok := parser.Next()
		if !ok {
			break
		}
		if count == maxAnchors {
			return nil, errTooManyAnchors
		}
		anchors.add(rr, parser.Comment())
	}
	if err := parser.Err(); err != nil {
		return nil, fmt.Errorf("trust anchors: %w", err)
	}
	if len(anchors) == 0 {
		return nil, errNoAnchor
	}
	return anchors, nil
}

// autotrustState finds RFC 5011's state in unbound's comment: 2 is VALID, 3 MISSING
// (still trusted); the others (START, ADDPEND, REVOKED, REMOVED) are not to be trusted.
// The parser pulls ";;" apart.
var autotrustState = regexp.MustCompile(`; *;state=([0-9]+)`)

func (a trustAnchors) add(rr dns.RR, comment string) {
	if state := autotrustState.FindStringSubmatch(comment); state != nil && state[1] != "2" && state[1] != "3" {
		return
	}
	if rr.Header().Class != dns.ClassINET {
		return
	}
	zone := dns.CanonicalName(rr.Header().Name)
	switch rr := rr.(type) {
	case *dns.DS:
		if supportedDS(rr) {
			a.of(zone).ds = append(a.of(zone).ds, rr)
		}
	case *dns.DNSKEY:
		if isZoneKey(rr) && usableKey(rr) {
			a.of(zone).keys = append(a.of(zone).keys, rr)
		}
	}
}

func (a trustAnchors) of(zone string) *anchor {
	if a[zone] == nil {
		a[zone] = new(anchor)
	}
	return a[zone]
}

// above gives the closest zone at or above name that has an anchor.
func (a trustAnchors) above(name string) (zone string, found bool) {
	for zone = name; ; zone = parentOf(zone) {
		if a[zone] != nil {
			return zone, true
		}
		if zone == "." {
			return "", false
		}
	}
}
