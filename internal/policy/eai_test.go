package policy

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

const (
	unicodeDomain = "bücher.example"
	asciiDomain   = "xn--bcher-kva.example" // RFC 5891's own example of a name
)

// TestTablesKnowBothFormsOfADomain (RFC 8616): whichever form the table has and
// whichever the message.
func TestTablesKnowBothFormsOfADomain(t *testing.T) {
	patterns := func(text string) dataset.Set {
		path := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := dataset.Open(t.Context(), "refile:"+path, dataset.Options{FoldCase: true})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	table := keys{
		"u":     {Name: "u", Domain: unicodeDomain, Selector: "prüf"},
		"a":     {Name: "a", Domain: asciiDomain, Selector: "s"},
		"other": {Name: "other", Domain: asciiDomain, Selector: "s"},
	}
	for _, c := range []struct {
		name    string
		signing dataset.Set
		from    string
		want    string
	}{
		{"U in the table, U in the mail", csl(t, unicodeDomain+"=u"), "jörg@" + unicodeDomain, "sign u d=" + unicodeDomain},
		{"U in the table, A in the mail", csl(t, unicodeDomain+"=u"), "joe@" + asciiDomain, "sign u d=" + asciiDomain},
		{"A in the table, U in the mail", csl(t, asciiDomain+"=a"), "joe@" + unicodeDomain, "sign a d=" + asciiDomain},
		{"A in the table, A in the mail", csl(t, asciiDomain+"=a"), "joe@" + asciiDomain, "sign a d=" + asciiDomain},
		{"capitals", csl(t, unicodeDomain+"=u"), "joe@XN--BCHER-KVA.example", "sign u d=" + asciiDomain},
		{"pattern U, mail A", patterns("*@" + unicodeDomain + " u\n"), "joe@" + asciiDomain, "sign u d=" + asciiDomain},
		{"pattern A, mail U", patterns("*@" + asciiDomain + " a\n"), "jörg@" + unicodeDomain, "sign a d=" + asciiDomain},
		{"the first pattern counts", patterns("*@" + unicodeDomain + " u\n* other\n"), "joe@" + asciiDomain, "sign u d=" + asciiDomain},
		{"the catch-all first", patterns("* other\n*@" + unicodeDomain + " u\n"), "joe@" + asciiDomain, "sign other d=" + asciiDomain},
		{"the closest counts", csl(t, "*=other,"+unicodeDomain+"=u"), "joe@" + asciiDomain, "sign u d=" + asciiDomain},
		{"subdomain", csl(t, "."+unicodeDomain+"=u"), "joe@mail." + asciiDomain, "sign u d=" + asciiDomain},
		{"local part", csl(t, "jörg@"+unicodeDomain+"=u"), "jörg@" + asciiDomain, "sign u d=" + unicodeDomain},
		{"identity", csl(t, unicodeDomain+"=u:x@%"), "joe@" + asciiDomain, "sign u d=" + asciiDomain + " i=x@" + asciiDomain},
		{"identity in the other form", csl(t, unicodeDomain+"=a:x@"+unicodeDomain), "joe@" + asciiDomain, "sign a d=" + asciiDomain + " i=x@" + asciiDomain},
		{"identity that ASCII mail cannot have", csl(t, unicodeDomain+"=u:jörg@%"), "joe@" + asciiDomain, "sign u d=" + asciiDomain},
		{"identity in UTF-8 mail", csl(t, unicodeDomain+"=u:jörg@%"), "jörg@" + unicodeDomain, "sign u d=" + unicodeDomain + " i=jörg@" + unicodeDomain},
		{"another domain", csl(t, unicodeDomain+"=u"), "joe@bucher.example", "verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Sign: true, Verify: true, Origin: Origin{InternalHosts: clients{"10.0.0.1"}},
				Keys: Keys{KeyTable: table, SigningTable: c.signing}}
			f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"),
				Fields: fieldsOf(t, "From: =?utf-8?q?J=C3=B6rg?= <"+c.from+">\nDate: d")}
			p := r.Plan(context.Background(), f)
			if got := describePlan(p); got != c.want {
				t.Fatalf("%s, want %s", got, c.want)
			}
			for _, request := range p.Sign {
				o := r.SignOptions(f, p, request, time.Unix(1, 0))
				if !isASCII(o.Selector+o.Domain+o.Identity) && isASCII(c.from) {
					t.Errorf("ASCII mail would be signed with s=%s, d=%s, i=%s", o.Selector, o.Domain, o.Identity)
				}
			}
		})
	}
}

// TestOtherTablesKnowBothForms: what is asked by a domain or an address.
func TestOtherTablesKnowBothForms(t *testing.T) {
	for _, c := range []struct{ table, mail string }{{unicodeDomain, asciiDomain}, {asciiDomain, unicodeDomain},
		{unicodeDomain, unicodeDomain}} {
		plan := func(change func(*Rules)) string {
			r := &Rules{Sign: true, Verify: true, Origin: Origin{InternalHosts: clients{"10.0.0.1"}},
				Keys: Keys{Domain: csl(t, c.table), DefaultKey: &keystore.SigningKey{Name: "k", Selector: "s"}}}
			change(r)
			f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Recipients: []string{"ann@" + c.mail},
				Fields: fieldsOf(t, "From: joe@sub."+c.mail+"\nDate: d")}
			return describePlan(r.Plan(context.Background(), f))
		}
		if got := plan(func(r *Rules) { r.SubDomains = true }); got != "sign k d="+c.mail+" i=@"+c.mail {
			t.Errorf("%+v: SubDomains: %s", c, got)
		}
		if got := plan(func(r *Rules) { r.Domain = csl(t, "sub."+c.table) }); got != "sign k d=sub."+c.mail {
			t.Errorf("%+v: Domain: %s", c, got)
		}
		if got := plan(func(r *Rules) { r.ExemptDomains = csl(t, "sub."+c.table) }); got != "accept" {
			t.Errorf("%+v: ExemptDomains: %s", c, got)
		}
		if got := plan(func(r *Rules) { r.SubDomains, r.DontSignMailTo = true, csl(t, "ann@"+c.table) }); got != "accept" {
			t.Errorf("%+v: DontSignMailTo: %s", c, got)
		}
	}
	for table, written := range map[string]string{unicodeDomain: asciiDomain, asciiDomain: unicodeDomain} {
		p := &Plan{Verify: true, Author: Author{User: "a", Domain: "other.example"}}
		r := &Rules{Verdicts: Verdicts{TrustSignaturesFrom: csl(t, table)}}
		err := r.Verdicts.findTrusted(context.Background(), p, &Facts{Fields: fieldsOf(t, "DKIM-Signature: d="+written)})
		if err != nil || !p.counts(&dkim.Signature{Domain: written}) || !p.counts(&dkim.Signature{Domain: strings.ToUpper(asciiDomain)}) {
			t.Errorf("TrustSignaturesFrom: %v, %v", p.Trusted, err)
		}
	}
}
