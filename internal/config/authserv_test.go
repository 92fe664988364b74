package config

import (
	"slices"
	"strings"
	"testing"
)

// TestAuthservIDIsTheName: quotes and a semicolon are the field's, and no part of the
// name.
func TestAuthservIDIsTheName(t *testing.T) {
	for text, warned := range map[string]bool{"mx.example.com": false, `"mx.example.com"`: true, "mx.example.com;": true, `"mx.example.com" ;`: true} {
		c := New()
		problems := c.Set("AuthservID", text, CommandLine)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		if c.AuthservID.Value != "mx.example.com" {
			t.Errorf("%s: %q", text, c.AuthservID.Value)
		}
		hint := ""
		for _, p := range problems {
			if p.Option == "AuthservID" {
				hint = p.Hint
			}
		}
		if warned != (hint == "write AuthservID mx.example.com") {
			t.Errorf("%s: hint %q", text, hint)
		}
	}
}

func TestRemoveARMethods(t *testing.T) {
	c := New()
	if problems := c.Set("RemoveARMethods", "spf, dmarc,x-foo", CommandLine); problems.HasErrors() {
		t.Fatal(problems)
	}
	if want := []string{"spf", "dmarc", "x-foo"}; !slices.Equal(c.RemoveARMethods.Value, want) {
		t.Errorf("%q", c.RemoveARMethods.Value)
	}
	for _, wrong := range []string{"spf=pass", "spf;dmarc", "spf dmarc", "*"} {
		if problems := New().Set("RemoveARMethods", wrong, CommandLine); !problems.HasErrors() ||
			!strings.Contains(problems[0].String(), "is no method of authentication") {
			t.Errorf("%s: %v", wrong, problems)
		}
	}
}
