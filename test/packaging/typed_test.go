package packaging

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// deed says what becomes of a block of a document: it is typed, written to a file, or
// seen. An empty one leaves it out, for the reason that stands beside it.
type deed func(d *document, text string)

// step is a block of a document by how it begins, in the document's order.
type step struct {
	begins string
	do     deed
	reason string // for a block that is left out
}

// document is what a reader types and sees, on a machine of his own.
type document struct {
	*machine
	name string
	last string // what the block before said
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")

// blocks are what a document has its reader type, write or see, in order. JSON is for
// programs.
func blocks(t *testing.T, name string) (found []string) {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	must(t, err)
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "json" {
			found = append(found, m[2])
		}
	}
	return found
}

// fits says which blocks no step is for. What is written must be typed, or be left out for
// a reason.
func fits(blocks []string, steps []step) error {
	for i, text := range blocks {
		switch {
		case i >= len(steps) || !strings.HasPrefix(text, steps[i].begins):
			return fmt.Errorf("block %d: no step is for\n%s", i+1, text)
		case steps[i].do == nil && steps[i].reason == "":
			return fmt.Errorf("block %d is left out for no reason", i+1)
		}
	}
	if len(blocks) != len(steps) {
		return fmt.Errorf("%d blocks, and there are %d steps", len(blocks), len(steps))
	}
	return nil
}

// follow does what the document says, block by block.
func (d *document) follow(steps []step) {
	d.t.Helper()
	all := blocks(d.t, d.name)
	if err := fits(all, steps); err != nil {
		d.t.Fatalf("%s, %v", d.name, err)
	}
	for i, s := range steps {
		if s.do != nil {
			begun := time.Now()
			s.do(d, all[i])
			d.t.Logf("%s, block %d: %.1f s", d.name, i+1, time.Since(begun).Seconds())
		}
	}
}

// typed runs a block as it stands.
func typed(d *document, text string) {
	d.t.Helper()
	d.last = d.run("cd /root; " + text)
}

// healthy is typed, and all that doctor finds fault with is the machine's clock, which
// nothing keeps.
func healthy(d *document, text string) {
	d.t.Helper()
	typed(d, strings.TrimSpace(text)+" || true")
	for line := range strings.Lines(d.last) {
		word, rest, _ := strings.Cut(line, " ")
		if word != "good" && word != "" && word != "\n" && !strings.HasPrefix(strings.TrimSpace(rest), "clock ") {
			d.t.Errorf("doctor says of what %s made:\n%s", d.name, d.last)
		}
	}
}

// then is typed, and something is seen after it.
func then(do deed, check string) deed {
	return func(d *document, text string) { d.t.Helper(); do(d, text); d.run(check) }
}

// written puts a block into a file.
func written(file string) deed {
	return func(d *document, text string) { d.t.Helper(); d.run("cat > " + file + " <<'END'\n" + text + "END") }
}

// said expects the block before to have said these lines.
func said(d *document, text string) {
	d.t.Helper()
	for line := range strings.Lines(text) {
		if !strings.Contains(d.last, strings.TrimSpace(line)) {
			d.t.Errorf("%s promises %q, and what comes is\n%s", d.name, line, d.last)
		}
	}
}

// number is what differs from one line of a log to the next.
var number = regexp.MustCompile(`\[\d+\]|[0-9A-F]{8,12}:|group \d+`)

// logged expects lines of the log, whatever their numbers. The log is the service's.
func logged(d *document, text string) {
	d.t.Helper()
	for line := range strings.Lines(text) {
		parts := number.Split(strings.TrimPrefix(strings.TrimSpace(line), "opendkim[1234]: "), -1)
		pattern := ""
		for i, p := range parts {
			if i > 0 {
				pattern += ".*"
			}
			pattern += regexp.QuoteMeta(p)
		}
		d.run("for i in $(seq 50); do journalctl --no-pager -b -o cat -u opendkim | grep -Eq -- " + quoted(pattern) +
			" && exit; sleep 0.1; done\n" +
			"echo 'not logged:' " + quoted(pattern) + "; journalctl --no-pager -b -o cat -u opendkim | tail -20; exit 1")
	}
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// server makes a machine with nothing of OpenDKIM, where Postfix runs as Debian's does,
// mail for the user reports is delivered, and DNS is a name server of its own.
const server = `
dpkg -P opendkim opendkim-tools >/dev/null
rm -rf /etc/opendkim* /etc/dkimkeys /etc/default/opendkim /run/opendkim
userdel opendkim 2>/dev/null || true
echo 'APT::Get::Assume-Yes "true";' > /etc/apt/apt.conf.d/99assume
printf '127.0.0.1 localhost\n127.0.0.1 mail.example.com mail\n::1 localhost\n' > /etc/hosts
hostname mail.example.com
for last in 1 2 10; do ip addr add 192.0.2.$last/32 dev lo; done
cat > /etc/postfix/main.cf <<'EOF'
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = mail.example.com
mydestination = localhost
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
EOF
postconf -F 'smtp/inet/chroot=y'
useradd --create-home reports
install -d -m 1777 /var/mail
postfix start 2>/dev/null
mkdir /root/zones
cat > /root/named.conf <<'EOF'
options { directory "/root/zones"; listen-on { 127.0.0.1; 192.0.2.1; 192.0.2.2; }; listen-on-v6 { none; }; recursion yes; allow-query { any; }; dnssec-validation no; pid-file none; session-keyfile none; };
controls { };
zone "." { type master; file "root"; };
zone "example.com" { type master; file "example.com"; };
EOF
printf '$TTL 60\n@ SOA ns. root. 1 60 60 60 60\n@ NS ns.\nns. A 127.0.0.1\nexample.com. NS ns1.example.com.\nexample.com. NS ns2.example.com.\nns1.example.com. A 192.0.2.1\nns2.example.com. A 192.0.2.2\n' > /root/zones/root
printf '$TTL 60\n@ SOA ns1 root 1 60 60 60 1\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\nmail A 127.0.0.1\n_dmarc TXT "v=DMARC1; p=none"\n' > /root/zones/example.com
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
systemd-run --quiet --unit=names named -4 -f -c /root/named.conf
until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:53")'; do sleep 0.1; done
`

// published puts the zone file's text of a key into DNS.
const published = `
cat /etc/opendkim/keys/mail2026.txt >> /root/zones/example.com
systemctl restart names
until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:53")'; do sleep 0.1; done
`

// signedMail sends mail of example.com by the sendmail command and over SMTP, and looks
// at the message that arrives.
const signedMail = `
for how in sendmail smtp; do
	rm -f /var/mail/reports
	text="From: a@example.com\nTo: reports@localhost\nSubject: s\nDate: $(date -R)\nMessage-ID: <$$-$how@example.com>\n\nhello\n"
	if [ $how = sendmail ]; then printf "$text" | sendmail -i -f a@example.com reports@localhost
	else printf "$text" | swaks --silent 2 --server 127.0.0.1 --from a@example.com --to reports@localhost --data -; fi
	for i in $(seq 150); do grep -qs '^hello' /var/mail/reports && break; sleep 0.1; done
	perl -0pe 's/\n[ \t]+/ /g' /var/mail/reports | grep -q '^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.com; s=mail2026;' ||
		{ echo "by $how, not signed:"; cat /var/mail/reports; tail -20 /var/log/postfix.log; journalctl --no-pager -b -u opendkim | tail; exit 1; }
done
`

// unsignedMail comes from outside, without a signature.
const unsignedMail = `
swaks --silent 2 --server 127.0.0.1 --local-interface 192.0.2.10 --from b@example.net --to reports@localhost --body unsigned
for i in $(seq 100); do journalctl --no-pager -b -o cat -u opendkim | grep -q 'no signature data' && exit; sleep 0.1; done; exit 1
`

// newDocument has a reader before a new server, with the package where the documents have it.
func newDocument(t *testing.T, name string) *document {
	t.Helper()
	testutil.Need(t, "dpkg", "make", "deb-systemd-helper", "postfix", "named", "swaks", "adduser", "perl")
	if runtime.GOARCH != "amd64" {
		t.Skip("the documents' package is for amd64")
	}
	d := &document{machine: boot(t, packages(t, "deb", "0.0.1")...), name: name}
	d.run(server)
	d.run("mkdir -p /root/dist; mv /root/dojang_*.deb /root/dist/dojang_0.0.1-1_amd64.deb")
	return d
}

// walkthrough are the blocks of docs/walkthrough.md.
var walkthrough = []step{
	{"apt install ./dist", typed, ""},
	{"adduser --system", typed, ""},
	{"install -d -o opendkim", typed, ""},
	{"mail2026._domainkey.example.com example.com:mail2026:", written("/etc/opendkim/KeyTable"), ""},
	{"*@example.com", written("/etc/opendkim/SigningTable"), ""},
	{"127.0.0.1", written("/etc/opendkim/TrustedHosts"), ""},
	{"Mode ", written("/etc/opendkim.conf"), ""},
	{"dojang config check", typed, ""},
	{"awk ", then(typed, published), ""},
	{"dojang web", browsed, ""},
	{"opendkim-testkey", typed, ""},
	{"opendkim-testkey: using default", said, ""},
	{"systemctl enable opendkim", typed, ""},
	{"opendkim[1234]: OpenDKIM Filter", nil, "the service has no arguments; test/service sees the line"},
	{"postconf -e 'smtpd_milters", then(typed, signedMail), ""},
	{"postconf -e 'milter_default_action = tempfail'", then(typed, signedMail), ""},
	{"DKIM-Signature: ", nil, "signedMail looks for it"},
	{"opendkim[1234]: 4F1A2BE2EF: DKIM-Signature field", logged, ""},
	{"opendkim[1234]: 53F77BE2F3: mail.example.org", nil, "a signature of another's: test/postfix sees the lines"},
	{"Authentication-Results:", nil, "likewise"},
	{"dojang doctor", func(d *document, text string) { d.t.Helper(); d.run(unsignedMail); healthy(d, text) }, ""},
	{"dojang reload", then(typed, signedMail), ""},
	{"install -D -m 0644 /usr/share/dojang/hardened.conf", then(typed, signedMail), ""},
	{"INPUT_MAIL_FILTER", nil, "Sendmail's package excludes Postfix's: test/sendmail types its part"},
	{"INPUT_MAIL_FILTER", nil, "likewise"},
	{"make -C /etc/mail", nil, "likewise"},
	{"define(", nil, "likewise"},
	{"define(", nil, "likewise"},
	{"mailq -qQ", nil, "likewise"},
	{"opendkim[1234]: can't load key", noKey, ""},
	{"opendkim[1234]: mail2026._domainkey", otherReaders, ""},
	{"chmod 600", typed, ""},
	{"install -d -o opendkim -g postfix", typed, ""},
	{"Socket ", nil, "as it is above"},
	{"postconf -e 'smtpd_milters", then(typed, signedMail), ""},
	{"opendkim[1234]: can't load key", notPermitted, ""},
	{"namei ", then(typed, signedMail), ""},
	{"dojang genkey -d example.com -s mail2026e", typed, ""},
	{"  signature 1:", nil, "internal/cli sees the lines in its script of explain"},
	{"dojang rehearse", nil, "test/rehearse runs it"},
}

// again has the filter start with something wrong, sends mail, and expects the lines that
// the document shows; then it is put right.
func again(wrong, right string) deed {
	return func(d *document, text string) {
		d.t.Helper()
		d.run(wrong + "\nsystemctl reset-failed opendkim; systemctl restart opendkim; (printf 'From: a@example.com\\n\\nx\\n' " +
			"| sendmail -i -f a@example.com reports@localhost) || true")
		logged(d, text)
		d.run(right)
	}
}

var (
	noKey = again("mv /etc/opendkim/keys/mail2026.private /root/",
		"mv /root/mail2026.private /etc/opendkim/keys/; postsuper -d ALL 2>/dev/null; systemctl reset-failed opendkim; "+
			"systemctl restart opendkim"+signedMail)
	// the document mends the next two
	otherReaders = again("chmod 640 /etc/opendkim/keys/mail2026.private; gpasswd -a postfix opendkim", "postsuper -d ALL 2>/dev/null")
	notPermitted = again("chown root:root /etc/opendkim/keys/mail2026.private", "postsuper -d ALL 2>/dev/null")
)

// TestWalkthroughTyped types the walk-through on a new machine, as its reader would: the
// package, a running systemd, Debian's Postfix, a name server. With SCALE=long the Korean
// one too.
func TestWalkthroughTyped(t *testing.T) {
	names := []string{"docs/walkthrough.md"}
	if testutil.Long() {
		names = append(names, "docs/walkthrough.ko.md")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			d := newDocument(t, name)
			d.follow(walkthrough)
			d.examples()
		})
	}
}

// examples types what the help of every command has under "Examples", and what manual pages
// have, as far as the first pipe, one of four without SCALE=long: whatever comes of it on
// this machine, no command finds its own example wrong.
func (d *document) examples() {
	d.t.Helper()
	d.run("postconf -e smtpd_milters=; cp /etc/opendkim.conf /root/conf; printf 'From: a@example.com\nSubject: s\n\nx\n' > " +
		"/root/message.eml; cp /root/message.eml /root/signed.eml")
	pages := strings.Fields(d.run("ls /usr/share/man/man1 | sed -n 's/^\\(dojang.*\\)\\.1.gz$/\\1/p'"))
	lines := strings.Split(d.run(manualExamples), "\n")
	for _, page := range pages {
		if _, after, found := strings.Cut(d.run(strings.ReplaceAll(page, "-", " ")+" --help"), "\nExamples:\n"); found {
			text, _, _ := strings.Cut(after, "\n\n")
			lines = append(lines, strings.Split(strings.ReplaceAll(text, "\\\n", ""), "\n")...)
		}
	}
	typed := 0
	for _, line := range lines {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
		if !strings.Contains(line, "dojang") && !strings.HasPrefix(line, "opendkim-") {
			continue
		}
		if typed++; typed%4 != 0 && !testutil.Long() {
			continue
		}
		code := strings.TrimSpace(d.run("cd /root; timeout -s INT -k 5 3 sh -c " + quoted(line) +
			" </dev/null >/root/said 2>&1 || echo $?"))
		if code == "64" || code == "126" || code == "127" {
			d.t.Errorf("the example %q ends with %s:\n%s", line, code, d.run("tail -5 /root/said"))
		}
	}
	if len(pages) < 20 || typed < 30 {
		d.t.Errorf("%d examples of %d commands only", typed, len(pages))
	}
}

// manualExamples prints the commands of manual pages about tools, and has the settings of
// rotate.conf(5) checked.
const manualExamples = `
example() { zcat "$1" | sed -n '/^\.SH EXAMPLE/,/^\.fi/p' | grep -v '^\.' | sed 's/\\-/-/g'; }
for page in /usr/share/man/man8/opendkim-*.gz; do example $page; done
example /usr/share/man/man5/rotate.conf.5.gz > /etc/dojang/rotate.conf
install -o dojang-dns -m 0400 /dev/null /etc/dojang/dns/tsig.key; tsig-keygen rotate > /etc/dojang/dns/tsig.key
dojang config check > /dev/null
rm /etc/dojang/rotate.conf
`

// readme are the blocks of README.md.
var readme = []step{
	{"make run", nil, "it builds; test/postfix runs what it runs"},
	{"make package && ", func(d *document, text string) {
		d.t.Helper()
		install, rest, _ := strings.Cut(strings.TrimPrefix(text, "make package && "), "\n")
		install, _, _ = strings.Cut(install, "    #")
		typed(d, install)
		beforeDoctor, doctor, _ := strings.Cut(rest, "dojang doctor")
		typed(d, beforeDoctor)
		d.run(published + signedMail)
		healthy(d, strings.TrimSpace("dojang doctor"+doctor))
	}, ""},
}

// TestReadmeTyped types the README's lines for a server.
func TestReadmeTyped(t *testing.T) {
	newDocument(t, "README.md").follow(readme)
}

// TestFoldersAgree: no document, example or default names another folder for keys.
func TestFoldersAgree(t *testing.T) {
	other := regexp.MustCompile(`/etc/(dkimkeys|dkim|opendkim-keys|mail/dkim)\b|/etc/opendkim/[a-z0-9]+\.(private|pem)`)
	out := shell(t, "../..", "git ls-files README.md docs packaging internal/cli internal/config; true")
	seen := 0
	for name := range strings.FieldsSeq(out) {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			continue
		}
		text, err := os.ReadFile("../../" + name)
		must(t, err)
		seen++
		for n, line := range strings.Split(string(text), "\n") {
			if m := other.FindString(line); m != "" && !strings.HasPrefix(line, "InaccessiblePaths=") {
				t.Errorf("%s:%d names %s", name, n+1, m)
			}
		}
	}
	if seen < 50 {
		t.Fatalf("%d files only", seen)
	}
}
