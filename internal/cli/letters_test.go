package cli

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"dojang/internal/exit"
)

// Each command that takes --config takes it by both letters that people know.
func TestConfigHasBothLetters(t *testing.T) {
	seen := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		flags := c.Flags()
		flags.AddFlagSet(c.PersistentFlags())
		if f := flags.Lookup("config"); f != nil {
			seen++
			for _, letter := range []string{"c", "x"} {
				// whose -c is opendkim-testmsg's
				if g := flags.ShorthandLookup(letter); g == nil || g.Value != f.Value && c.Name() != "testmsg" {
					t.Errorf("%s: -%s is another flag", c.CommandPath(), letter)
				}
			}
		}
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look(rootCommand(Streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer)}))
	if seen < 15 {
		t.Errorf("only %d commands take --config", seen)
	}
}

// fullDisk is where nothing can be written.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// What was asked for and could not be written is no success, by any name of the program.
func TestOutputThatIsLostIsAFailure(t *testing.T) {
	message := "From: a@example.com\n\nx\n"
	for _, line := range []string{"dojang --version", "dojang --help", "dojang config explain", "dojang config explain Mode",
		"dojang config show",
		"dojang zone csl:a=example.com:s:/nonexistent --help", "dojang query csl:a=b a", "opendkim -V", "opendkim-genkey --version",
		"dojang testmsg --domain example.com --selector s --key ../keyrecord/testdata/nodomain.private"} {
		var errs bytes.Buffer
		status := Main(t.Context(), strings.Fields(line), Streams{In: strings.NewReader(message), Out: fullDisk{}, Err: &errs})
		if status != exit.IOErr || !strings.HasSuffix(errs.String(), "o space left on device\n") {
			t.Errorf("%s: %d, %s", line, status, &errs)
		}
	}
}

// Numbers and names that no zone can have are refused before anything is written.
func TestZoneRefusesWhatNoZoneHas(t *testing.T) {
	for _, flags := range [][]string{{"--expire", "-5"}, {"--refresh", "99999999999"}, {"--retry", "-1"}, {"--default-ttl", "2147483648"},
		{"--ttl", "-5"}, {"--nameservers", "ns1 evil;"}, {"--contact", "a b@example.com"}, {"--nsupdate", "example.com\nupdate delete x"}} {
		for _, command := range []string{"zone", "atpszone"} {
			var out, errs bytes.Buffer
			args := append([]string{"dojang", command, "csl:a=example.com:s:/nonexistent"}, flags...)
			status := Main(t.Context(), args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			if status != exit.Usage || out.Len() > 0 {
				t.Errorf("%q: %d, %s%s", args, status, &out, &errs)
			}
		}
	}
}

// A switch is shown as it is typed. pflag v1.1.0 shows each as --remote[=true|false].
func TestSwitchesAreShownAlone(t *testing.T) {
	var out, errs bytes.Buffer
	Main(t.Context(), []string{"dojang", "bench", "--help"}, Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if !strings.Contains(out.String(), "--remote ") || strings.Contains(out.String(), "[=") {
		t.Error(out.String())
	}
}

func TestConfigCommand(t *testing.T) {
	for args, want := range map[string]struct {
		status       int
		shown, error string
	}{
		"explain": {0, "\nKeyTable\n", ""}, "explain KeyTabel": {exit.Usage, "Did you mean KeyTable?", "no such option\n"}, "explain qqqqqqqqqqqqq": {exit.Usage, "There is no option", "no such option\n"},
		"nonsense": {exit.Usage, "", `unknown command "nonsense"`}, "": {0, "explain", ""},
	} {
		var out, errs bytes.Buffer
		status := Main(t.Context(), append([]string{"dojang", "config"}, strings.Fields(args)...),
			Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if status != want.status || !strings.Contains(out.String(), want.shown) ||
			!strings.Contains(errs.String(), want.error) || strings.Contains(errs.String(), "did you mean ?") {
			t.Errorf("config %s: %d, %.200s, %s", args, status, &out, &errs)
		}
	}
}
