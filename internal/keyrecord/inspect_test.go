package keyrecord

import "testing"

// FuzzInspect: whatever a record holds, a fault is told when verifiers cannot
// use it, and nothing panics.
func FuzzInspect(f *testing.F) {
	for _, text := range []string{
		"", "v=DKIM1; k=rsa; p=", "v=DKIM1; p=AAAA", `"v=DKIM1; p=MII" "AA"`, `v=DKIM1\; p=`, "p=MIIBIjANBg; v=DKIM1", "v=DKIM1; h=rsa-sha256; p=x",
		"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "v=spf1 -all", "a IN TXT ( \"v=DKIM1\" )", "v=DKIM1; p=MIGf; p=MIGf", "v", "v =",
	} {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		faults := Inspect([]string{a})
		fatal := false
		for _, fault := range faults {
			fatal = fatal || fault.Fatal
			if fault.Code == "" {
				t.Errorf("%q: %+v", a, fault)
			}
		}
		if !usable(a) && !fatal {
			t.Errorf("%q cannot be used and no fault says so: %+v", a, faults)
		}
		Inspect([]string{a, b})
		SyntaxError(a)
	})
}
