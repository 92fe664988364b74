package cli

import (
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// publicText is the p= of a private key of the record tests.
func publicText(t *testing.T, selector string) string {
	t.Helper()
	_, p, _ := strings.Cut(testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/"+selector+".private")), "p=")
	return p
}

// startKeyZone serves example.com: a good record and the faults seen in the
// wild, each under a selector of its own.
func startKeyZone(t *testing.T) *dnstest.Server {
	t.Helper()
	p1024, p2048 := publicText(t, "s1024"), publicText(t, "s2048")
	s := dnstest.New(t, "example.com. IN NS ns1.example.com.\nns1.example.com. IN A 127.0.0.1\n")
	add := func(selector, text string) { s.AddTXT(selector+"._domainkey.example.com", text) }
	add("good", "v=DKIM1; h=sha256; k=rsa; p="+p2048)
	add("s1024", "v=DKIM1; k=rsa; p="+p1024)
	add("ed", "v=DKIM1; k=ed25519; p="+rfc8463Public)
	add("noversion", "k=rsa; p="+p2048)
	add("versionlast", "k=rsa; p="+p2048+"; v=DKIM1")
	add("version2", "v=DKIM2; k=rsa; p="+p2048)
	add("two", "v=DKIM1; k=rsa; p="+p2048)
	add("two", "v=DKIM1; k=rsa; p="+p1024)
	long := "v=DKIM1; k=rsa; p=" + p2048
	add("halves", long[:255])
	add("halves", long[255:])
	add("revoked", "v=DKIM1; k=rsa; p=")
	add("hash", "v=DKIM1; h=rsa-sha256; k=rsa; p="+p2048)
	add("blanks", "v=DKIM1; k=rsa; p="+p2048[:237]+" "+p2048[237:])
	add("quoted", `"v=DKIM1; k=rsa; p=`+p2048+`"`)
	add("innerquotes", "v=DKIM1; k=rsa; p="+p2048[:237]+`" "`+p2048[237:])
	add("backslash", `v=DKIM1\; k=rsa\; p=`+p2048)
	add("cut", long[:255])
	add("zoneline", `cut._domainkey IN TXT ( "v=DKIM1; k=rsa; p=`+p2048+`" )`)
	add("service", "v=DKIM1; k=rsa; s=tlsrpt; p="+p2048)
	add("type", "v=DKIM1; k=dsa; p="+p2048)
	add("nokey", "v=DKIM1; k=rsa")
	add("badkey", "v=DKIM1; k=rsa; p=AAAA")
	add("spf", "hello world")
	add("sha1", "v=DKIM1; h=sha1; k=rsa; p="+p2048)
	s.AddTXT("mail._domainkey.xn--bcher-kva.example", "v=DKIM1; k=rsa; p="+p2048)
	add("testing", "v=DKIM1; k=rsa; t=y; p="+p2048)
	s.AddTXT("doubled._domainkey.example.com.example.com", "v=DKIM1; k=rsa; p="+p2048)
	s.AddTXT("nodomainkey.example.com", "v=DKIM1; k=rsa; p="+p2048)
	s.AddCNAME("loop._domainkey.example.com", "loop2._domainkey.example.com")
	s.AddCNAME("loop2._domainkey.example.com", "loop._domainkey.example.com")
	s.AddCNAME("alias._domainkey.example.com", "good._domainkey.example.com")
	s.SetFault("broken._domainkey.example.com", dnstest.Fault{Rcode: 2})
	return s
}
