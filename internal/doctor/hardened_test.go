package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"dojang/internal/config"
	"dojang/internal/testutil/configtest"
)

// One need for root each; test/packaging starts the hardened service with what is
// offered here.
func TestWhatNeedsRoot(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	packaged, err := os.ReadFile("../../packaging/opendkim.conf")
	if err != nil {
		t.Fatal(err)
	}
	me := person{Name: "opendkim", UID: 64999, Groups: []int{64999}}
	for more, want := range map[string]string{
		"":                             "",
		"Socket inet:8891@localhost\n": "",
		"Socket inet:783@localhost\n":  "Socket",
		"Socket local:/run/opendkim/s group=mail\n":                "Socket",
		"Socket local:/var/spool/postfix/private/s\n":              "Socket",
		"Socket local:/var/spool/postfix/opendkim/opendkim.sock\n": "",
		"Socket local:/run/opendkim/../s\n":                        "Socket",
		"ChangeRootDirectory /srv/filter\n":                        "ChangeRootDirectory",
		"PidFile /run/opendkim.pid\n":                              "PidFile",
		"Statistics /var/lib/opendkim/stats\n":                     "",
		"Statistics /srv/stats\n":                                  "Statistics",
		"DiagnosticDirectory /srv\n":                               "DiagnosticDirectory",
		"TemporaryDirectory /srv\n":                                "TemporaryDirectory",
		"Domain example.com\nSelector s\nKeyFile " + key + "\n":    "KeyFile",
		"Domain example.com\nSelector s\nKeyFile /home/x/key\n":    "KeyFile",
	} {
		if got := needsRoot(configtest.Read(t, string(packaged)+more), me); got != want {
			t.Errorf("%q: %q, want %q", more, got, want)
		}
	}
	if got := needsRoot(new(config.Config), person{Name: "milter", UID: 64998}); got != "UserID" {
		t.Errorf("another user: %q", got)
	}
}
