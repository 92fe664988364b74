package packaging

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/testutil"
)

// TestUpgradeUnderLoad installs the package of this commit over that of the commit
// before while Postfix takes mail: each message that is accepted arrives once, signed,
// and the signature holds.
func TestUpgradeUnderLoad(t *testing.T) {
	testutil.Need(t, "opendkim", "dpkg", "make", "deb-systemd-helper", "perl", "git", "postfix")
	dir := t.TempDir()
	now, before := sources(t, filepath.Join(dir, "now"), "022"), sources(t, filepath.Join(dir, "before"), "022")
	shell(t, before, "! git rev-parse -q --verify HEAD~1 || git checkout -q HEAD~1") // a shallow clone has this one alone
	for _, folder := range []string{before, now} {
		shell(t, folder, "make -s package KINDS=deb ARCHES="+runtime.GOARCH)
		shell(t, folder, "mv dist/*.deb ../"+filepath.Base(folder)+".deb")
	}
	m := boot(t, filepath.Join(dir, "before.deb"), filepath.Join(dir, "now.deb"), "testdata/send.pl")
	m.run(debian)
	m.run("dpkg -i /root/before.deb; mkdir -p /etc/opendkim/keys; cp /etc/dkimkeys/old.txt /etc/opendkim/keys/sel.txt")
	m.run(postfix)
	m.run(`postconf -F smtp/inet/chroot=n
postconf smtpd_milters=unix:/run/opendkim/opendkim.sock milter_default_action=tempfail milter_connect_timeout=5s
postconf mail_spool_directory=/var/mail/
usermod --append --groups opendkim postfix
postfix stop; postfix start; rm -rf /var/mail/reports
for i in 0 1 2 3; do
	perl /root/send.pl $((i * 1000 + 1)) $((i * 1000 + 250)) > /root/sent.$i 2>&1 &
	echo $! >> /root/senders
done
until [ "$(ls /var/mail/reports/new 2>/dev/null | wc -l)" -gt 50 ]; do
	sleep 0.1; i=$((i + 1))
	[ $i -lt 600 ] || { tail -3 /var/log/postfix.log; exit 1; }
done`)
	const sending = `sending() { for p in $(cat /root/senders); do ! kill -0 $p 2>/dev/null || return 0; done; return 1; }
`
	m.run(sending + "dpkg -i /root/now.deb; sending || { echo the load ended before the upgrade; exit 1; }")
	m.run(sending + `while sending; do sleep 0.1; done
cd /var/spool/postfix
for i in $(seq 300); do [ -n "$(find maildrop incoming active deferred -type f)" ] || break; sleep 0.1; done`)
	t.Logf("tried again while the filter was away: %s", strings.Join(strings.Fields(m.run("cat /root/sent.*")), ", "))
	m.signs("old")
	m.allSigned(1000)
}

var messageID = regexp.MustCompile(`(?m)^Message-ID: <([0-9]+)@example\.com>\r?$`)

// allSigned wants that many messages in the mailbox, each once and with a signature
// that holds.
func (m *machine) allSigned(want int) {
	m.t.Helper()
	record := record(m.t, m.path("/etc/dkimkeys/old.txt"))
	files, err := filepath.Glob(m.path("/var/mail/reports/new/*"))
	must(m.t, err)
	seen := map[string]int{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(m.t, err)
		if id := messageID.FindSubmatch(text); id != nil {
			seen[string(id[1])]++
		}
		results, err := dkim.Verify(m.t.Context(), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
			dkim.VerifyOptions{Now: time.Now()},
			func(context.Context, string) ([]string, error) { return []string{record}, nil })
		if err != nil || len(results) != 1 || results[0].Status != dkim.StatusPass {
			m.t.Fatalf("%v, %v in\n%s", results, err, text)
		}
	}
	if len(files) != want || len(seen) != want {
		m.t.Errorf("%d messages with %d numbers arrived, want %d", len(files), len(seen), want)
	}
}
