package authres_test

import (
	"fmt"
	"strings"

	"dojang/authres"
	"dojang/dkim"
)

// The field of RFC 8601 appendix B.3, in part.
func ExampleParse() {
	results, err := authres.Parse([]byte(" example.com;\r\n  spf=pass smtp.mailfrom=example.net;\r\n  dkim=fail (bad " +
		"signature) header.d=newyork.example.com"))
	if err != nil {
		panic(err)
	}
	fmt.Println(results.AuthservID)
	for _, m := range results.Methods {
		fmt.Println(m.Name, m.Result, m.Props)
	}
	// Output:
	// example.com
	// spf pass [{smtp mailfrom example.net}]
	// dkim fail [{header d newyork.example.com}]
}

func ExampleResults_Format() {
	r := authres.Results{AuthservID: "mx.example.com", Methods: []authres.Method{{Name: "dkim", Result: "none"}}}
	fmt.Println(r.Format())
	// Output:
	// mx.example.com; dkim=none
}

// A border filter removes what claims to be its own before it adds its result.
func ExampleGuard() {
	guard := authres.NewGuard([]string{"mx.example.com"}, nil)
	for _, value := range []string{" mx.example.com; dkim=pass", " MX.Example.Com /1; spf=pass", " other.example; dkim=pass"} {
		forged, _ := guard.Forged([]byte(value)) // one that cannot be parsed may be forged, too
		fmt.Println(forged)
	}
	// Output:
	// true
	// true
	// false
}

// What a filter adds to a message with those results of its signatures.
func ExampleResults() {
	r := authres.Results{AuthservID: "mx.example.com"}
	for _, s := range []dkim.Result{
		{Status: dkim.StatusPass, Signature: &dkim.Signature{Domain: "example.org", Selector: "s"}},
		{Status: dkim.StatusFail, Reason: dkim.ReasonBodyHash, Signature: &dkim.Signature{Domain: "example.net", Selector: "t"}},
	} {
		m := authres.Method{Name: "dkim", Result: s.Status.String(), Props: []authres.Property{
			{Type: "header", Name: "d", Value: s.Signature.Domain}, {Type: "header", Name: "s", Value: s.Signature.Selector},
		}}
		if s.Reason != dkim.ReasonNone {
			m.Reason = s.Reason.String()
		}
		r.Methods = append(r.Methods, m)
	}
	fmt.Println("Authentication-Results:", strings.ReplaceAll(r.Format(), "\r\n", "\n"))
	// Output:
	// Authentication-Results: mx.example.com;
	// 	dkim=pass header.d=example.org header.s=s;
	// 	dkim=fail reason="signature verification failed" header.d=example.net header.s=t
}
