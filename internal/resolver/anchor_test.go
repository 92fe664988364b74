package resolver

import (
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// rootKeys is the form of Debian's /usr/share/dns/root.key, with the DNSKEY records
// that IANA published for the root.
const (
	key20326 = `AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=`
	key38696 = `AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irwCzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/wOZqqzL/dL/q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc=`
	rootKeys = ". IN DNSKEY 257 3 8 " + key20326 + " ; keytag 20326\n. IN DNSKEY 257 3 8 " + key38696 + " ; keytag 38696\n"
	rootDS   = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n. IN DS 38696 8 2 " +
		"683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n"
)

// autotrust is what unbound 1.17 writes to its auto-trust-anchor-file.
const autotrust = `; autotrust trust anchor file
;;id: . 1
;;last_queried: 1795450000 ;;Mon Nov 23 15:26:40 2026
;;last_success: 1795450000 ;;Mon Nov 23 15:26:40 2026
;;next_probe_time: 1795490000 ;;Tue Nov 24 02:33:20 2026
;;query_failed: 0
;;query_interval: 43200
;;retry_time: 8640
.	86400	IN	DNSKEY	257 3 8 ` + key38696 + ` ;{id = 38696 (ksk), size = 2048b} ;;state=1 [ ADDPEND ] ;;count=3 ;;lastchange=1795450000 ;;Mon Nov 23 15:26:40 2026
.	86400	IN	DNSKEY	257 3 8 ` + key20326 + ` ;{id = 20326 (ksk), size = 2048b} ;;state=2 [  VALID  ] ;;count=0 ;;lastchange=1502438004 ;;Fri Aug 11 07:53:24 2017
`

func TestParseTrustAnchors(t *testing.T) {
	for _, c := range []struct {
		what, text string
		tags       []uint16
	}{
		{"keys", rootKeys, []uint16{20326, 38696}},
		{"digests", rootDS, []uint16{20326, 38696}},
		{"autotrust", autotrust, []uint16{20326}},
		{"with TTL, on several lines", ". 172800 IN DS 20326 8 2 (\n E06D44B80B8F1D39A95C0B0D7C65D08458E88040\n 9BBC683457104237C7F8EC8D )\n", []uint16{20326}},
		{"with TTL of the file's", "$TTL 60\n" + rootDS, []uint16{20326, 38696}},
		{"of another class beside", ". CH DS 20326 8 2 " + strings.Repeat("AB", 32) + "\n" + rootDS, []uint16{20326, 38696}},
		{"unknown algorithms beside a known one", ". IN DS 1 200 2 AB\n. IN DS 2 8 99 AB\n" + rootDS, []uint16{20326, 38696}},
	} {
		anchors, err := parseTrustAnchors([]byte(c.text))
		if err != nil || anchors["."] == nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		var tags []uint16
		for _, key := range anchors["."].keys {
			tags = append(tags, key.KeyTag())
		}
		for _, ds := range anchors["."].ds {
			tags = append(tags, ds.KeyTag)
		}
		if len(tags) != len(c.tags) || tags[0] != c.tags[0] {
			t.Errorf("%s: key tags %v, want %v", c.what, tags, c.tags)
		}
	}
	for what, text := range map[string]string{
		"empty":            "",
		"a comment":        "; nothing\n",
		"another class":    strings.ReplaceAll(rootDS, " IN ", " CH "),
		"cut short":        rootDS + ". IN DS 20326 8 (\n",
		"no anchor":        "example. IN A 192.0.2.1\n",
		"unknown only":     ". IN DS 1 200 2 AB\n",
		"nonsense":         "this is no file of anchors\n",
		"pending only":     strings.Split(autotrust, "\n")[8] + "\n",
		"a revoked key":    ". IN DNSKEY 385 3 8 " + key20326 + "\n",
		"generated":        "$GENERATE 1-65535 $ DS 1 8 2 AB\n",
		"another file":     "$INCLUDE /etc/passwd\n",
		"too many anchors": strings.Repeat(rootDS, maxAnchors),
	} {
		if anchors, err := parseTrustAnchors([]byte(text)); err == nil {
			t.Errorf("%s: taken for %d anchors", what, len(anchors))
		}
	}
	if _, err := New(Options{TrustAnchorFile: "/nonexistent/root.key"}); err == nil ||
		!strings.Contains(err.Error(), "/nonexistent/root.key") {
		t.Errorf("a missing file: %v", err)
	}
}

// The digests IANA published belong to the keys it published: keys and DS forms agree.
func TestRootKeyDigests(t *testing.T) {
	keys, err := parseTrustAnchors([]byte(rootKeys))
	if err != nil {
		t.Fatal(err)
	}
	digests, err := parseTrustAnchors([]byte(rootDS))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys["."].keys {
		if !isTrusted(key, digests["."].ds, nil) || !isTrusted(key, nil, keys["."].keys) {
			t.Errorf("key %d is not trusted", key.KeyTag())
		}
	}
}

func TestDebianRootKey(t *testing.T) {
	const path = "/usr/share/dns/root.key"
	if _, err := os.Stat(path); err != nil {
		t.Skip("package dns-root-data is not installed")
	}
	d, err := New(Options{TrustAnchorFile: path})
	if err != nil || !d.Validating() || len(d.dnssec.anchors["."].keys) == 0 {
		t.Errorf("%v", err)
	}
}

func FuzzTrustAnchors(f *testing.F) {
	for _, seed := range []string{rootKeys, rootDS, autotrust, ". DS 1 8 2 (", "$ORIGIN x.\n@ DS 1 8 2 AB"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		anchors, err := parseTrustAnchors(data)
		if err != nil {
			return
		}
		for zone, a := range anchors {
			if len(a.ds)+len(a.keys) == 0 || zone != dns.CanonicalName(zone) {
				t.Errorf("zone %q: %+v", zone, a)
			}
		}
	})
}
