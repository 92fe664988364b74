package doctor

import (
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// rootKeys are the keys that sign the root zone's keys, as IANA publishes them
// (https://data.iana.org/root-anchors/root-anchors.xml): KSK-2017 and KSK-2024.
var rootKeys = []string{
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
}

// anchors looks whether TrustAnchorFile knows the root's present keys: with an old one
// alone every answer becomes bogus on the day of the change.
func (r *Report) anchors(h *host) {
	path := h.Config.TrustAnchorFile.Value
	if path == "" {
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return // the configuration's own check tells
	}
	root, known := false, []uint16{}
	parser := dns.NewZoneParser(strings.NewReader(string(data)), ".", path)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if rr.Header().Name != "." {
			continue
		}
		root = true
		switch key := rr.(type) {
		case *dns.DS:
			known = append(known, key.KeyTag)
		case *dns.DNSKEY:
			known = append(known, key.KeyTag())
		}
	}
	if !root {
		return // anchors of other zones
	}
	for _, text := range rootKeys {
		rr, err := dns.NewRR(text)
		if err != nil {
			continue
		}
		key, ok := rr.(*dns.DS)
		if !ok || slices.Contains(known, key.KeyTag) {
			continue
		}
		r.Add(Finding{Check: "dns", Code: "anchor-missing", Status: Bad, Remedy: appendLine(path, text) + " && " + h.Reload(),
			Advice: "Debian's package dns-root-data keeps /usr/share/dns/root.key up to date"},
			"TrustAnchorFile %s does not know the root's key %d: what that key signs is bogus to the filter", path, key.KeyTag)
	}
}
