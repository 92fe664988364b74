package keyrecord

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func publicKeyOf(t *testing.T, file string) crypto.PublicKey {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s is not PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer).Public()
}

func recordOf(t *testing.T, selector string) Record {
	t.Helper()
	keyType, key, err := PublicKey(publicKeyOf(t, "testdata/"+selector+".private"))
	if err != nil {
		t.Fatal(err)
	}
	return Record{Selector: selector, Domain: "example.com", KeyType: keyType, PublicKey: key, Hashes: "sha256"}
}

// The same key, the same options: the same bytes as Debian's opendkim-genkey.
func TestOpenDKIMLayout(t *testing.T) {
	tests := []struct {
		selector     string
		appendDomain bool
		change       func(*Record)
	}{
		{"s1024", false, nil},
		{"s2048", false, nil},
		{"s2696", false, nil},
		{"s4096", false, nil},
		{"nodomain", false, func(r *Record) { r.Domain = "" }},
		{"flags", true, func(r *Record) {
			r.Testing, r.NoSubdomains, r.EmailOnly, r.Hashes, r.Note = true, true, true, "sha1:sha256", "kept by postmaster"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.selector, func(t *testing.T) {
			r := recordOf(t, tt.selector)
			if tt.change != nil {
				tt.change(&r)
			}
			want, err := os.ReadFile("testdata/" + tt.selector + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), r.OpenDKIM(tt.appendDomain)); diff != "" {
				t.Errorf("(-debian +ours):\n%s", diff)
			}
		})
	}
}

// RFC 8463 appendix A.2: the key and the record it is published with.
func TestEd25519Record(t *testing.T) {
	seed, _ := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	keyType, key, err := PublicKey(ed25519.NewKeyFromSeed(seed).Public())
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Selector: "brisbane", Domain: "football.example.com", KeyType: keyType, PublicKey: key}
	if got, want := r.Text(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := r.Name(), "brisbane._domainkey.football.example.com."; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

// TestAdvice: the length, and what to do about more than a string of DNS has (RFC 1035 §3.3).
func TestAdvice(t *testing.T) {
	for selector, want := range map[string]string{"s1024": ", fits one string",
		"s4096": ", in 3 strings of at most 255 that verifiers join without a blank"} {
		r := recordOf(t, selector)
		got := r.Advice()
		line := fmt.Sprintf("%s: %d characters%s", r.Name(), len(r.Text()), want)
		if got[0] != line || (len(got) > 1) != (len(r.Text()) > 255) {
			t.Errorf("%q, want %q", got, line)
		}
	}
}

// Each zone-file form is read back by a name server library to the same value.
func TestZoneFormsReadBack(t *testing.T) {
	records := []Record{recordOf(t, "s1024"), recordOf(t, "s4096"), recordOf(t, "flags")}
	records[2].Note = `a "quoted" back\slash; p=x ` + strings.Repeat("long ", 80)
	for _, r := range records {
		for _, form := range []string{r.Line(), r.OpenDKIM(true)} {
			rr, err := dns.NewRR(form)
			if err != nil {
				t.Fatalf("%v in %s", err, form)
			}
			txt := rr.(*dns.TXT)
			if txt.Hdr.Name != r.Name() {
				t.Errorf("name %q, want %q", txt.Hdr.Name, r.Name())
			}
			var joined strings.Builder
			for _, s := range txt.Txt {
				// The library keeps a zone file's escapes.
				s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
				if len(s) > 255 {
					t.Errorf("a string of %d bytes", len(s))
				}
				joined.WriteString(s)
			}
			if diff := cmp.Diff(r.Text(), joined.String()); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestNoteCannotEndItsTag(t *testing.T) {
	r := recordOf(t, "s1024")
	r.Note = "x; p=; é\n"
	if got := r.Text(); !strings.Contains(got, `n="x=3B p=3D=3B =C3=A9=0A"; h=sha256`) {
		t.Errorf("got %s", got)
	}
}

func TestRoute53(t *testing.T) {
	var b strings.Builder
	r := recordOf(t, "s2048")
	if err := Write(&b, Route53, r); err != nil {
		t.Fatal(err)
	}
	var batch struct {
		Changes []struct {
			Action            string
			ResourceRecordSet struct {
				Name, Type      string
				TTL             int
				ResourceRecords []struct{ Value string }
			}
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &batch); err != nil {
		t.Fatal(err)
	}
	set := batch.Changes[0].ResourceRecordSet
	if batch.Changes[0].Action != "UPSERT" || set.Name != "s2048._domainkey.example.com." || set.Type != "TXT" || set.TTL != 3600 {
		t.Errorf("got %+v", batch)
	}
	// "Enclose each string of up to 255 characters in quotation marks, with a
	// blank between": Amazon Route 53 developer guide, TXT record type.
	text := r.Text()
	if got, want := set.ResourceRecords[0].Value, `"`+text[:255]+`" "`+text[255:]+`"`; got != want {
		t.Errorf("value %s, want %s", got, want)
	}
}

func TestFormatsThatNeedTheDomain(t *testing.T) {
	r := recordOf(t, "s1024")
	r.Domain = ""
	for _, f := range Formats() {
		err := Write(&strings.Builder{}, f, r)
		needs := f == PowerDNS || f == Route53 || f == Cloudflare || f == Terraform || f == NSUpdate
		if (err != nil) != needs {
			t.Errorf("%s without a domain: %v", f, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"mail": true, "mail.2026": true, "_x": true, "bücher": true, "a-b": true, "example.com.": true,
		"": false, ".": false, "a..b": false, "../x": false, "a b": false, "a;b": false, "a\"b": false, "a\nb": false,
		strings.Repeat("a", 64): false, strings.Repeat("a.", 127) + "b": false,
	} {
		if err := CheckName("domain", name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
		if err := CheckSelector(name); (err == nil) != (ok && name != "example.com.") {
			t.Errorf("the selector %q: %v", name, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 255: 1, 256: 2, 510: 2, 511: 3} {
		if got := Split(strings.Repeat("x", n), 255); len(got) != want || len(strings.Join(got, "")) != n {
			t.Errorf("%d bytes: %d pieces, want %d", n, len(got), want)
		}
	}
}

// Cloudflare's API reference: "The content must consist of quoted \"character strings\"
// (RFC 1035), each with a length of up to 255 bytes."
func TestCloudflare(t *testing.T) {
	var b strings.Builder
	r := recordOf(t, "s2048")
	if err := Write(&b, Cloudflare, r, r); err != nil {
		t.Fatal(err)
	}
	text := r.Text()
	for line := range strings.Lines(b.String()) {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"type": "TXT", "name": "s2048._domainkey.example.com", "content": `"` + text[:255] + `" "` + text[255:] + `"`, "ttl": 3600., "comment": "DKIM key record",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// The provider's documentation of records: "To specify a single record value longer
// than 255 characters such as a TXT record for DKIM, add \"\" inside the Terraform
// configuration string".
func TestTerraform(t *testing.T) {
	var b strings.Builder
	r := recordOf(t, "s2048")
	r.Note = `${a} %{b} "c" d\`
	if err := Write(&b, Terraform, r); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(r.Text(), r.Note, "NOTE", 1)
	if !strings.Contains(b.String(), `$${a} %%{b} \\\"c\\\" d\\\\`) || !strings.HasPrefix(b.String(), `resource "aws_route53_record" "dkim_s2048__domainkey_example_com" {`) {
		t.Errorf("%s\n%s", b.String(), text)
	}
}

func TestSplit255(t *testing.T) {
	var b strings.Builder
	r := recordOf(t, "s4096")
	if err := Write(&b, Split255, r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 3 || strings.Join(lines, "") != r.Text() || len(lines[0]) != 255 || len(lines[1]) != 255 {
		t.Errorf("%q", lines)
	}
}

func TestEveryFormatHasAWriter(t *testing.T) {
	for _, f := range Formats() {
		if err := Write(&strings.Builder{}, f, recordOf(t, "s1024")); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if len(Formats()) != len(writers) {
		t.Errorf("%d formats, %d writers", len(Formats()), len(writers))
	}
}

// A record that is known as it stands in DNS is written as it is, in every format.
func TestPublished(t *testing.T) {
	const text = "v=DKIM1; k=rsa; n=of somebody's own; p="
	r := Published("K1._domainkey.customer.example.host.example.", "host.example", text, 60)
	if r.Name() != "k1._domainkey.customer.example.host.example." || r.Relative() != "k1._domainkey.customer.example" || r.Text() != text {
		t.Errorf("%s %s %s", r.Name(), r.Relative(), r.Text())
	}
	for _, f := range Formats() {
		var b strings.Builder
		if err := Write(&b, f, r); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "n=of somebody's own; p=") && !strings.Contains(b.String(), `n=of somebody'\''s own; p=`) {
			t.Errorf("%s:\n%s", f, &b)
		}
	}
}
