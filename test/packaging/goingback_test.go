package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
)

// theirs makes the machine one where Debian's opendkim serves Postfix over port 8891, by
// the walk-through's tables.
const theirs = `
dpkg -i /root/opendkim_*.deb /root/opendkim-tools_*.deb >/dev/null
cp /root/opendkim*.deb /var/cache/apt/archives/
install -d -o opendkim -g opendkim -m 0750 /etc/opendkim/keys
opendkim-genkey -b 2048 -d example.com -D /etc/opendkim/keys -s mail2026
chown opendkim:opendkim /etc/opendkim/keys/*
echo 'k example.com:mail2026:/etc/opendkim/keys/mail2026.private' > /etc/opendkim/KeyTable
echo '*@example.com k' > /etc/opendkim/SigningTable
cat > /etc/opendkim.conf <<'EOF'
Syslog yes
UserID opendkim
UMask 007
Mode sv
Canonicalization relaxed/simple
OversignHeaders From
KeyTable /etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
Socket inet:8891@127.0.0.1
PidFile /run/opendkim/opendkim.pid
TrustAnchorFile /usr/share/dns/root.key
EOF
systemctl restart opendkim
postconf -e 'smtpd_milters = inet:127.0.0.1:8891' 'non_smtpd_milters = $smtpd_milters' 'milter_default_action = tempfail'
postfix reload 2>/dev/null
`

// rehearsed runs a block whose last command stays in the foreground until ^C.
func rehearsed(d *document, text string) {
	d.t.Helper()
	unpack, rehearse, _ := strings.Cut(strings.TrimSpace(text), "\n")
	typed(d, unpack)
	d.run("(" + rehearse + " > /root/told 2>&1 & echo $! > /root/rehearsal)\nfor i in $(seq 100); do grep -q 'is compared' " +
		"/root/told && exit; sleep 0.1; done; cat /root/told; exit 1")
}

// newKey is signedMail with the next key.
var newKey = strings.ReplaceAll(signedMail, "mail2026", "mail2027")

// goingBack are the blocks of docs/going-back.md.
var goingBack = []step{
	{"dpkg-deb -x", rehearsed, ""},
	{"postconf -e 'smtpd_milters = inet:127.0.0.1:8892'", then(typed, signedMail), ""},
	{"postconf -e 'smtpd_milters = inet:127.0.0.1:8891'", func(d *document, text string) {
		typed(d, text)
		d.run("sleep 1; kill -INT $(cat /root/rehearsal) || kill -TERM $(cat /root/rehearsal); for i in $(seq 200); do grep -q 'messages compared' /root/told && break; sleep 0.1; done; " +
			"grep -q ' 2 messages compared: 2 the same, 0 differ as documented, 0 differ$' /root/told || { cat /root/told; exit 1; }" + signedMail)
		d.run("dpkg -i /root/dojang_0.0.1*.deb" + signedMail)
		d.run("dpkg -i /root/dojang_0.0.2*.deb" + signedMail)
		d.run("dojang genkey -d example.com -s mail2027 -D /etc/opendkim/keys --owner opendkim; sed -i s/mail2026/mail2027/g /etc/opendkim/KeyTable; dojang reload" + newKey)
		d.run("md5sum /etc/opendkim.conf /etc/opendkim/*Table /etc/opendkim/keys/*.private > /root/sums")
	}, ""},
	{"apt install", func(d *document, text string) {
		typed(d, text)
		d.run("md5sum --check --quiet /root/sums" + newKey)
		if v := d.run("opendkim -V; dpkg -s dojang 2>/dev/null | grep Status || true"); strings.Contains(v, "dojang") || strings.Contains(v, "ok installed") {
			d.t.Errorf("dojang is still there: %s", v)
		}
		d.want("active\nenabled", "systemctl is-active opendkim; systemctl is-enabled opendkim 2>/dev/null")
		d.run("dpkg -i /root/dojang_0.0.2*.deb; md5sum --check --quiet /root/sums" + newKey) // and forth once more
	}, ""},
}

// TestGoingBackTyped types docs/going-back.md: Debian's opendkim in service, dojang beside
// it, then in its place, a new version of dojang, a new key, and Debian's package again.
func TestGoingBackTyped(t *testing.T) {
	testutil.Need(t, "dpkg", "make", "deb-systemd-helper", "postfix", "named", "swaks", "perl", "apt-get")
	if !testutil.Long() {
		t.Skip("with SCALE=long")
	}
	old, err := filepath.Glob(testutil.PeersDir + "opendkim/*.deb")
	must(t, err)
	if runtime.GOARCH != "amd64" || len(old) != 2 && !testutil.PeersRequired() {
		t.Skip("the document's packages are for amd64, and Debian's are brought by `make peers`")
	}
	d := &document{machine: boot(t, append(packages(t, "deb", "0.0.1", "0.0.2"), old...)...), name: "docs/going-back.md"}
	d.run(server + theirs)
	d.run("mkdir /root/dist; cp /root/dojang_0.0.1*.deb /root/dist/" + signedMail)
	d.follow(goingBack)
}

// inLanguage is what stands in a block for its reader and not for a shell: comments, and
// a page's language.
var inLanguage = regexp.MustCompile(`  +# .*|&lang=ko`)

func withoutWords(blocks []string) (all []string) {
	for _, b := range blocks {
		all = append(all, inLanguage.ReplaceAllString(b, ""))
	}
	return all
}

// TestTranslationsTypeTheSame: a document and its translation have the reader do the same.
func TestTranslationsTypeTheSame(t *testing.T) {
	names, err := filepath.Glob("../../docs/*.ko.md")
	must(t, err)
	for _, name := range names {
		original := strings.TrimSuffix(name, ".ko.md") + ".md"
		if _, err := os.Stat(original); err != nil {
			t.Errorf("%s is a translation of nothing", name)
			continue
		}
		if diff := cmp.Diff(withoutWords(blocks(t, strings.TrimPrefix(original, "../../"))),
			withoutWords(blocks(t, strings.TrimPrefix(name, "../../")))); diff != "" {
			t.Errorf("%s (-original +translation):\n%s", name, diff)
		}
	}
	if len(names) < 4 {
		t.Fatalf("%d translations only", len(names))
	}
}
