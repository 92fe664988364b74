package config

import (
	"testing"
	"time"

	"dojang/internal/policy"

	"github.com/google/go-cmp/cmp"
)

func TestDefaults(t *testing.T) {
	c := New()
	if !c.Background.Value || c.Syslog.Value || c.MaximumHeaders.Value != 65536 ||
		c.ClockDrift.Value != 300*time.Second || c.DNSTimeout.Value != 5*time.Second ||
		c.Mode.Text() != "sv" || c.OnSignatureError.Value != policy.Reject || c.UMask.Value != 0 ||
		c.UMask.IsSet() || c.MessageTimeBudget.Value != 25*time.Second {
		t.Error("a default differs from the manual page")
	}
	if r := c.AutoRestartRate.Value; r != (Frequency{}) {
		t.Error(r)
	}
	if got := c.SyslogFacility.Source(); got != (Value{Text: "mail"}) || got.Place() != "default" {
		t.Error(got)
	}
}

func TestAccessors(t *testing.T) {
	c, problems := load(t, "UMask 007\nAutoRestart yes\nAutoRestartRate 10/1h\nNameservers 192.0.2.1, "+
		",[2001:db8::1],192.0.2.2:5353\nClockDrift 0x10\nOn-NoSignature R\nMessageTimeBudget 1500ms\nMaximumHeaders -5\nSyslog True\n")
	if len(problems) != 1 { // the negative number
		t.Errorf("%q", problems)
	}
	c2, _ := load(t, "Nameservers 192.0.2.1,[2001:db8::1] , 192.0.2.2:5353\n")
	if diff := cmp.Diff([]string{"192.0.2.1", "[2001:db8::1]", "192.0.2.2:5353"}, c2.Nameservers.Value); diff != "" {
		t.Error(diff)
	}
	if c.UMask.Value != 7 || c.AutoRestartRate.Value != (Frequency{10, time.Hour}) ||
		c.ClockDrift.Value != 16*time.Second || c.OnNoSignature.Value != policy.Reject ||
		c.MessageTimeBudget.Value != 1500*time.Millisecond || c.MaximumHeaders.Value != 0 || !c.Syslog.Value {
		t.Error("a value was read wrongly")
	}
}

func TestSet(t *testing.T) {
	c, _ := load(t, "Mode v\nDomain a.example\n")
	if problems := c.Set("mode", "s", CommandLine); problems != nil || c.Mode.Text() != "s" || c.Mode.Source().Place() != "command line" {
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
	problems := c.setEnvironment([]string{"PATH=/bin", "OPENDKIM_Mode=sv", "OPENDKIM_ON_BADSIGNATURE=reject",
		"OPENDKIM_VBR_Type=all", "OPENDKIM_Domain=a=b", "OPENDKIM_=x", "OPENDKIM_Colour=red", "HOME"})
	if len(problems) != 1 || problems[0].String() != `environment: unknown option "Colour"` {
		t.Errorf("%v", problems)
	}
	if c.Mode.Text() != "sv" || c.OnBadSignature.Value != policy.Reject || c.VBRType.Text() != "all" ||
		c.Domain.Text() != "a=b" || c.Mode.Source().File != Environment {
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
	for on, want := range map[*Setting[policy.Action]]policy.Action{
		&c.OnDNSError: policy.Accept, &c.OnBadSignature: policy.Reject, &c.OnInternalError: policy.Reject, &c.OnDefault: policy.Reject,
	} {
		if got := c.Action(on); got != want {
			t.Errorf("%s: %s, want %s", on.Option().Name, got, want)
		}
	}
	if c := New(); c.Action(&c.OnInternalError) != policy.TempFail {
		t.Error(c.OnInternalError)
	}
}
