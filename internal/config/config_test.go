package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaults(t *testing.T) {
	c := New()
	if !c.Bool("Background") || c.Bool("Syslog") || c.Int("MaximumHeaders") != 65536 || c.Duration("ClockDrift") != 300*time.Second || c.Int("DNSTimeout") != 5 ||
		c.String("Mode") != "sv" || c.Choice("On-SignatureError") != "reject" || c.Octal("UMask") != 0 || c.IsSet("UMask") || c.Duration("MessageTimeBudget") != 25*time.Second {
		t.Error("a default differs from the manual page")
	}
	if n, per := c.Rate("AutoRestartRate"); n != 0 || per != 0 {
		t.Error(n, per)
	}
	if got := c.Source("SyslogFacility"); got != (Value{Text: "mail"}) || got.Place() != "default" {
		t.Error(got)
	}
}

func TestAccessors(t *testing.T) {
	c, problems := load(t, "UMask 007\nAutoRestart yes\nAutoRestartRate 10/1h\nNameservers 192.0.2.1, ,[2001:db8::1],192.0.2.2:5353\nClockDrift 0x10\nOn-NoSignature R\nMessageTimeBudget 1500ms\nMaximumHeaders -5\nSyslog True\n")
	if len(problems) != 1 { // the negative number
		t.Errorf("%q", problems)
	}
	c2, _ := load(t, "Nameservers 192.0.2.1,[2001:db8::1] , 192.0.2.2:5353\n")
	if diff := cmp.Diff([]string{"192.0.2.1", "[2001:db8::1]", "192.0.2.2:5353"}, c2.List("Nameservers")); diff != "" {
		t.Error(diff)
	}
	n, per := c.Rate("AutoRestartRate")
	if c.Octal("umask") != 7 || n != 10 || per != time.Hour || c.Duration("ClockDrift") != 16*time.Second || c.Int("ClockDrift") != 16 || c.Choice("On-NoSignature") != "reject" ||
		c.Duration("MessageTimeBudget") != 1500*time.Millisecond || c.Int("MaximumHeaders") != 0 || !c.Bool("Syslog") {
		t.Error("a value was read wrongly")
	}
}

func TestAccessorsPanic(t *testing.T) {
	c := New()
	for name, f := range map[string]func(){
		"unknown": func() { c.String("Colour") }, "not Boolean": func() { c.Bool("Mode") }, "not Integer": func() { c.Int("Mode") }, "not a choice": func() { c.Choice("Domain") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestSet(t *testing.T) {
	c, _ := load(t, "Mode v\nDomain a.example\n")
	if problems := c.Set("mode", "s", CommandLine); problems != nil || c.String("Mode") != "s" || c.Source("Mode").Place() != "command line" {
		t.Error(problems)
	}
	for _, test := range []struct{ name, value, want string }{
		{"Colour", "red", `command line: unknown option "Colour"`},
		{"Mode", "x", `command line: Mode: unknown mode "x"`},
		{"Domain", "", "command line: Domain: no value"},
		{"include", "/etc/passwd", "command line: Include: obeyed in a file alone"},
	} {
		if problems := c.Set(test.name, test.value, CommandLine); len(problems) != 1 || problems[0].String() != test.want {
			t.Errorf("%s %s: %v", test.name, test.value, problems)
		}
	}
}

func TestSetEnvironment(t *testing.T) {
	c, _ := load(t, "Mode v\n")
	problems := c.SetEnvironment([]string{"PATH=/bin", "OPENDKIM_Mode=sv", "OPENDKIM_ON_BADSIGNATURE=reject", "OPENDKIM_VBR_Type=all", "OPENDKIM_Domain=a=b", "OPENDKIM_=x", "OPENDKIM_Colour=red", "HOME"})
	if len(problems) != 1 || problems[0].String() != `environment: unknown option "Colour"` {
		t.Errorf("%v", problems)
	}
	if c.String("Mode") != "sv" || c.Choice("On-BadSignature") != "reject" || c.String("VBR-Type") != "all" || c.String("Domain") != "a=b" || c.Source("Mode").File != Environment {
		t.Error("not set")
	}
}

func TestChanged(t *testing.T) {
	a, _ := load(t, "Mode v\nSocket inet:1\nDomain x\n")
	b, _ := load(t, "# moved\nMode sv\nDomain x\nSocket inet:1\nSyslog yes\n")
	if diff := cmp.Diff([]string{"Mode", "Syslog"}, Changed(a, b)); diff != "" {
		t.Error(diff)
	}
	if got := Changed(a, a); got != nil {
		t.Error(got)
	}
}

// On-Default stands behind the others, wherever it stands in the file.
func TestAction(t *testing.T) {
	c, _ := load(t, "On-DNSError accept\nOn-Default R\n")
	for name, want := range map[string]string{"On-DNSError": "accept", "On-BadSignature": "reject", "On-InternalError": "reject", "On-Default": "reject"} {
		if got := c.Action(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := New().Action("On-InternalError"); got != "tempfail" {
		t.Error(got)
	}
}
