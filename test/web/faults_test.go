package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/words"
	"dojang/test/web/browser"
)

// client asks the pages without a browser.
type client struct {
	t      *testing.T
	url    string
	cookie string
}

func (w *world) login() *client {
	w.t.Helper()
	c := &client{t: w.t, url: w.url}
	r, err := new(http.Transport).RoundTrip(must(w.t)(http.NewRequest(http.MethodGet, w.url+"/login?token="+w.pages.Token(), nil)))
	if err != nil || r.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("login: %v %v", r, err)
	}
	r.Body.Close()
	c.cookie, _, _ = strings.Cut(r.Header.Get("Set-Cookie"), ";")
	return c
}

func must(t *testing.T) func(r *http.Request, err error) *http.Request {
	return func(r *http.Request, err error) *http.Request {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func (c *client) get(path string) string {
	c.t.Helper()
	r := must(c.t)(http.NewRequest(http.MethodGet, c.url+path, nil))
	r.Header.Set("Cookie", c.cookie)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// TestEveryFault: each that a check of DNS names, served by a zone, stands on the page with
// its code, its cause and its remedy, in both languages.
func TestEveryFault(t *testing.T) {
	w := newWorld(t)
	c := w.login()
	at := func(s string) string { return s + "._domainkey.example.com" }
	short := testutil.KeyRecord(testutil.ReadKey(t, "../../internal/keyrecord/testdata/s1024.private"))
	p := strings.TrimPrefix(w.record, "v=DKIM1; k=rsa; p=")
	records := map[string][]string{
		keyrecord.FaultSeveralRecords: {w.record, short}, keyrecord.FaultNotAKey: {"google-site-verification: abc"}, keyrecord.FaultZoneLine: {`mail._domainkey IN TXT ( "` + w.record + `" )`},
		keyrecord.FaultQuotes: {`"` + w.record + `"`}, keyrecord.FaultBackslashes: {strings.ReplaceAll(w.record, ";", `\;`)}, keyrecord.FaultBlanks: {w.record[:100] + " " + w.record[100:]},
		keyrecord.FaultVersionMissing: {"k=rsa; p=" + p}, keyrecord.FaultVersionOrder: {"k=rsa; v=DKIM1; p=" + p}, keyrecord.FaultVersion: {"v=DKIM2; p=" + p}, keyrecord.FaultHash: {"v=DKIM1; h=sha1; p=" + p},
		keyrecord.FaultCut: {w.record[:255]}, keyrecord.FaultNoKey: {"v=DKIM1; k=rsa"}, keyrecord.FaultBadKey: {"v=DKIM1; k=ed25519; p=AAAA"}, keyrecord.FaultRevoked: {"v=DKIM1; p="},
		keyrecord.FaultType: {"v=DKIM1; k=dsa; p=" + p}, keyrecord.FaultService: {"v=DKIM1; s=web; p=" + p}, keyrecord.FaultWeak: {short}, keyrecord.FaultTesting: {w.record + "; t=y"}, keyrecord.FaultSyntax: {"v=DKIM1; v=DKIM1; p=" + p},
	}
	for code, texts := range records {
		w.everywhere(at(code), texts...)
	}
	w.everywhere("off.example.com", w.record) // ._domainkey is missing
	w.ns1.AddTXT(at("differ"), w.record)
	w.ns2.AddTXT(at("differ"), short)
	w.everywhere(at("mail2026"), short) // the filter signs with another key
	w.ns1.AddTXT(at("silent"), w.record)
	w.recursive.AddTXT(at("silent"), w.record)
	w.ns2.SetFault(at("silent"), dnstest.Fault{Rcode: dns.RcodeRefused})
	w.everywhere(at("cache"), w.record)
	w.recursive.Remove(at("cache"))
	w.recursive.AddTXT(at("cache"), short)
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.AddCNAME(at("loop"), at("loop2"))
		s.AddCNAME(at("loop2"), at("loop"))
		s.AddCNAME(at("dangling"), "nothing.example.com")
	}
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.SetFault(at("mute"), dnstest.Fault{Rcode: dns.RcodeServerFailure})
	}
	selectors := map[string]string{
		keyrecord.FaultAbsent: "nothing", keyrecord.FaultOneLabelOff: "off", keyrecord.FaultServersDiffer: "differ", keyrecord.FaultMismatch: "mail2026", keyrecord.FaultServer: "silent",
		keyrecord.FaultCacheDiffers: "cache", keyrecord.FaultAliasLoop: "loop", keyrecord.FaultAliasDangling: "dangling", keyrecord.FaultLookup: "mute",
	}
	for code := range records {
		selectors[code] = code
	}
	for code, selector := range selectors {
		for _, lang := range []words.Language{words.English, words.Korean} {
			w.sees(t, c, code, selector, lang)
		}
	}
}

// TestRareFaults: faults of zones and look-ups as a whole, and the record of another key of the
// filter.
func TestRareFaults(t *testing.T) {
	w := newWorld(t)
	com := w.servers["185.199.0.251:53"]
	for _, zone := range []string{"torn.com", "signed.com", "wild.com"} {
		for _, s := range []*dnstest.Server{w.ns1, w.ns2} {
			s.AddRR(zone + ". 3600 IN SOA ns1.example.net. h.example.com. 1 3600 600 86400 900")
			s.AddRR(zone + ". 3600 IN NS ns1.example.net.")
		}
		com.AddRR(zone + ". IN NS ns1.example.net.")
	}
	for _, s := range []*dnstest.Server{w.ns1, w.ns2} {
		s.ServeZones("example.com", "torn.com", "signed.com", "wild.com")
	}
	com.AddRR("torn.com. IN NS ns2.example.net.")
	com.AddRR("signed.com. IN DS 12345 13 2 " + strings.Repeat("ab", 32))
	w.everywhere("mail._domainkey.torn.com", w.record)
	w.everywhere("mail._domainkey.signed.com", w.record)
	w.everywhere("*._domainkey.wild.com", w.record)
	w.recursive.AddTXT("mail._domainkey.wild.com", w.record)
	w.everywhere("mail2026._domainkey.example.com", w.keys[2].Record)
	w.everywhere("fine._domainkey.example.com", w.record)
	// A resolver that validates, as most receivers have one.
	validating := dnstest.New(t, "")
	validating.SetHandler(dns.HandlerFunc(func(to dns.ResponseWriter, q *dns.Msg) {
		m, err := dns.Exchange(q, w.recursive.Addr)
		if err != nil {
			return
		}
		if strings.HasPrefix(q.Question[0].Name, "fine.") {
			m = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			m.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus}}
		}
		_ = to.WriteMsg(m) // who does not wait any more has no answer
	}))
	for code, c := range map[string]struct {
		domain, selector string
		change           func(*keycheck.Options)
	}{
		keyrecord.FaultDelegation: {"torn.com", "mail", nil}, keyrecord.FaultUnsigned: {"signed.com", "mail", nil}, keyrecord.FaultWildcard: {"wild.com", "mail", nil},
		keyrecord.FaultOtherSelector: {"example.com", "mail2026", nil},
		keyrecord.FaultBogus:         {"example.com", "fine", func(o *keycheck.Options) { o.Resolver.Nameservers = []string{validating.Addr} }},
		keyrecord.FaultLimit:         {"example.com", "fine", func(o *keycheck.Options) { o.MaxQueries = 6 }},
	} {
		if c.change != nil {
			before := w.options.Check
			c.change(&w.options.Check)
			w.open()
			w.options.Check = before
		} else {
			w.open()
		}
		client := w.login()
		for _, lang := range []words.Language{words.English, words.Korean} {
			at := []string{"d", c.domain, "s", c.selector, "lang", string(lang)}
			var report keycheck.Report
			if err := json.Unmarshal([]byte(client.get(link("/api/v1/check", at...))), &report); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(report.Faults, func(f keyrecord.Fault) bool { return f.Code == code })
			if i < 0 {
				t.Errorf("%s: %+v", code, report.Faults)
				continue
			}
			text, hint := lang.Fault(code, report.Faults[i].Args)
			if hint == "" && code != keyrecord.FaultLimit {
				t.Errorf("%s: no remedy", code)
			}
			page := strings.ToLower(unescape(client.get(link("/check", at...))))
			for _, want := range []string{">" + code + "<", text, hint} {
				if !strings.Contains(page, strings.ToLower(want)) {
					t.Errorf("%s in %s: no %q", code, lang, want)
				}
			}
		}
	}
}

// sees holds a page against the report of the check that the API gives.
func (w *world) sees(t *testing.T, c *client, code, selector string, lang words.Language) {
	t.Helper()
	page := c.get(link("/check", "d", "example.com", "s", selector, "lang", string(lang)))
	checker, err := keycheck.New(w.checkOptions())
	if err != nil {
		t.Fatal(err)
	}
	check := keycheck.Check{Domain: "example.com", Selector: selector, Diagnose: true}
	if selector == "mail2026" {
		check.Key = w.key.Public()
	}
	for _, f := range checker.Check(t.Context(), check).Faults {
		if f.Code != code {
			continue
		}
		text, hint := lang.Fault(f.Code, f.Args)
		for _, want := range []string{">" + code + "<", text, hint} {
			if !strings.Contains(strings.ToLower(unescape(page)), strings.ToLower(want)) {
				t.Errorf("%s in %s: no %q", code, lang, want)
			}
		}
		return
	}
	t.Errorf("%s: the check does not find it", code)
}

func (w *world) checkOptions() keycheck.Options {
	o := w.options.Check
	o.AskAnyway = true
	return o
}

// unescape undoes what stands in text for itself, and the places where it may break.
func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&", "<wbr>", "").Replace(s)
}

// TestHostileText: what strangers write into records, names of servers, headers and queue IDs is
// text on every page, and the browser has nothing to complain of.
func TestHostileText(t *testing.T) {
	w := newWorld(t)
	attacks := []string{`<script>document.title="run"</script>`, `"><img src=x onerror=document.title="run">`, "\u202egnp.exe", "' onfocus='document.title=1' autofocus='", "</textarea></title><svg onload=document.title=1>"}
	for i, a := range attacks {
		w.everywhere(fmt.Sprintf("bad%d._domainkey.example.com", i), "v=DKIM1; n="+a+"; k="+a+"; p="+a, a)
		w.everywhere(fmt.Sprintf("lone%d._domainkey.example.com", i), "v=DKIM1; k="+a)
	}
	p := browser.Start(t).Open(browser.Options{})
	p.Go(w.url + "/login?token=" + w.pages.Token())
	look := func(what string) {
		t.Helper()
		var title string
		if p.Eval(`document.title`, &title); !strings.HasSuffix(title, "· dojang") {
			t.Errorf("%s: the title is %q", what, title)
		}
		var n int
		if p.Eval(`document.querySelectorAll("main img, main script, main svg:not(.plot):not(.legend svg), [onerror], [onload], [onfocus]").length`, &n); n != 0 {
			t.Errorf("%s: %d elements of a stranger", what, n)
		}
	}
	for i, a := range attacks {
		for _, path := range []string{
			link("/check", "d", "example.com", "s", fmt.Sprintf("bad%d", i)), link("/check", "d", "example.com", "s", fmt.Sprintf("lone%d", i)), link("/check", "d", a, "s", a), link("/status", "q", a),
			link("/status", "domain", a), link("/keys", "after", a), link("/publish", "d", a, "s", "x"), link("/login", "token", a), "/" + a,
		} {
			p.Go(w.url + strings.ReplaceAll(path, "#", "%23"))
			look(path)
		}
		p.Go(w.url + "/explain")
		p.Click("#message")
		p.Type("DKIM-Signature: v=1; a=" + a + "; d=" + a + "; s=x; h=from; bh=x; b=x\nFrom: " + a +
			" <a@example.com>\nSubject: " + a + "\nList-Id: " + a + "\n\n" + a + "\n")
		p.Load(func() { p.Click("form button") })
		look("explain " + a)
	}
}
