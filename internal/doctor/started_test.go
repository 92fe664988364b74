package doctor

import (
	"fmt"
	"testing"
)

// TestOverrides: what is set over the file is what the daemon itself takes from its
// environment and its command line; a dojang has no flags for options.
func TestOverrides(t *testing.T) {
	environment := []string{"PATH=/bin", "OPENDKIM_Mode=v", "opendkim_On_Default=reject", "OPENDKIM_=x", "OPENDKIMS=1"}
	const fromThere = "{Mode v} {On-Default reject}"
	for want, p := range map[string]process{
		"[]":                  {},
		"[" + fromThere + "]": {environment: environment, Args: []string{"/usr/bin/dojang", "serve", "-x", "/c"}},
		"[" + fromThere + " {SubDomains yes} {Background no} {Socket inet:1}]": {environment: environment,
			Args: []string{"/usr/sbin/opendkim", "-fD", "-x", "/c", "-p", "inet:1"}},
	} {
		if got := fmt.Sprint(p.overrides()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
