package packaging

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// documents are what a reader types by, in English; translations have the same blocks.
var documents = map[string][]step{
	"README.md":           readme,
	"docs/walkthrough.md": walkthrough,
	"docs/going-back.md":  goingBack,
	"docs/publishing.md":  publishing,
	"docs/rotation.md":    rotation,
	"docs/web.md":         webPages,
	"docs/lua.md":         lua,
	"docs/datasets.md":    datasets,
	"docs/scaling.md":     scaling,
	"docs/rocky.md":       rocky,
	"docs/bsd.md":         bsd,
	"docs/performance.md": left(5, "measurements, of the sources"),
	"docs/rsa-engine.md":  left(6, "measurements, of the sources"),
}

// left are n blocks that nobody types.
func left(n int, reason string) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i].reason = reason
	}
	return steps
}

// TestEveryBlockIsTyped: each block of each document is typed by a test of this package,
// or left out for a reason that stands here.
func TestEveryBlockIsTyped(t *testing.T) {
	names, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	top, err := filepath.Glob("../../*.md")
	must(t, err)
	found, typed := 0, 0
	for _, name := range append(names, top...) {
		name = strings.TrimPrefix(name, "../../")
		if strings.HasSuffix(name, ".ko.md") {
			continue // TestTranslationsTypeTheSame
		}
		all, steps := blocks(t, name), documents[name]
		found += len(all)
		if err := fits(all, steps); err != nil {
			t.Errorf("%s, %v", name, err)
		}
		for _, s := range steps {
			if s.do != nil {
				typed++
			}
		}
		text, err := os.ReadFile("../../" + name)
		must(t, err)
		for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
			if m[1] == "json" && !json.Valid([]byte(m[2])) {
				t.Errorf("%s: this is no JSON:\n%s", name, m[2])
			}
		}
		if indented.Match(text) {
			t.Errorf("%s: put ``` around %q, so that a test can type it", name, indented.Find(text))
		}
	}
	if found < 100 || typed < 65 {
		t.Errorf("%d of %d blocks are typed", typed, found)
	}
}

// indented is a block of the other form that Markdown has.
var indented = regexp.MustCompile(`(?m)\n\n    [^ ].*`)

// session types the lines behind "# " and "$ ", and expects what the document shows below
// each. A command may end with a status that says that something is waited for.
func session(d *document, text string) {
	d.t.Helper()
	said, command := "", ""
	for line := range strings.Lines(text) {
		prompt, rest, _ := strings.Cut(line, " ")
		switch {
		case prompt == "#" || prompt == "$":
			command = strings.TrimSpace(rest)
			said = d.run("cd /root; (" + command + "\n) 2>&1 || [ $? = 75 ]")
		case !alike(line).MatchString(said):
			d.t.Errorf("%s promises of %q\n%sand what comes is\n%s", d.name, command, line, said)
		}
	}
	d.last = said
}

// varies is what differs from one machine and day to the next; "..." stands for anything.
var varies = regexp.MustCompile(`\.\.\.|token=\S+|\d+`)

// alike matches a promised line, as part of one.
func alike(line string) *regexp.Regexp {
	var pattern strings.Builder
	at := 0
	line = strings.TrimSpace(line)
	for _, m := range varies.FindAllStringIndex(line, -1) {
		pattern.WriteString(regexp.QuoteMeta(line[at:m[0]]))
		switch found := line[m[0]:m[1]]; {
		case found == "...":
			pattern.WriteString(".*")
		case strings.HasPrefix(found, "token="):
			pattern.WriteString(`token=\S+`)
		default:
			pattern.WriteString(`\d+`)
		}
		at = m[1]
	}
	pattern.WriteString(regexp.QuoteMeta(line[at:]))
	return regexp.MustCompile(pattern.String())
}

// promised expects the block before to have said lines like these.
func promised(d *document, text string) {
	d.t.Helper()
	for line := range strings.Lines(text) {
		if !alike(line).MatchString(d.last) {
			d.t.Errorf("%s promises %q, and what comes is\n%s", d.name, line, d.last)
		}
	}
}

// whole puts a block into a file that is read by the command.
func whole(file, command string) deed {
	return func(d *document, text string) { d.t.Helper(); written(file)(d, text); d.last = d.run(command) }
}

// added puts a block behind what is in a file.
func appended(file, command string) deed {
	return func(d *document, text string) {
		d.t.Helper()
		d.last = d.run("cat >> " + file + " <<'END'\n" + text + "END\n" + command)
	}
}

// started has systemd run a command of a block, the last, which does not end, until the
// check is true, and ends it. What it said is seen afterwards.
func started(check string) deed {
	return func(d *document, text string) {
		d.t.Helper()
		d.last = d.run("cd /root; " + strings.TrimSpace(text) + " > /root/said 2>&1 & pid=$!\n" +
			"for i in $(seq 100); do if " + check + "; then kill $pid; wait $pid || true; cat /root/said; exit 0; fi; sleep 0.1; done\n" +
			"cat /root/said; kill $pid; exit 1")
	}
}

// browsed opens the address that `dojang web` prints, which logs in.
var browsed = started(`url=$(grep -o 'http://[^ ]*token=.*' /root/said) && curl -sSL -c /root/cookies "$url" | grep -q '<!doctype html>' && curl -sf -b /root/cookies http://127.0.0.1:8892/keys >/dev/null`)

// setUp is README's server, typed by TestReadmeTyped.
const setUp = `
cd /root; apt install ./dist/dojang_*_amd64.deb >/dev/null 2>&1
dojang genkey -d example.com -s mail2026 -D /etc/opendkim/keys --owner opendkim >/dev/null 2>&1
echo 'mail2026 example.com:mail2026:/etc/opendkim/keys/mail2026.private' > /etc/opendkim/KeyTable
echo '*@example.com mail2026' > /etc/opendkim/SigningTable
printf 'KeyTable /etc/opendkim/KeyTable\nSigningTable refile:/etc/opendkim/SigningTable\n' >> /etc/opendkim.conf
postconf -e 'smtpd_milters = unix:opendkim/opendkim.sock' 'non_smtpd_milters = $smtpd_milters' 'milter_default_action = tempfail'
systemctl restart opendkim; postfix reload 2>/dev/null
`

// configured has a block in rotate.conf, and asks whether it is right.
var configured = whole("/etc/dojang/rotate.conf", "dojang config check")

// hostmaster reads mail on this machine.
const hostmaster = `
postconf -e 'mydestination = localhost, example.com' 'virtual_alias_maps = inline:{hostmaster@example.com=reports@localhost}'; postfix reload 2>/dev/null
`

// dynamic makes BIND's zone one that is updated.
func dynamic(d *document, text string) {
	d.t.Helper()
	d.run(`sed -i '/^zone "example.com"/d' /root/named.conf; cat >> /root/named.conf <<'END'` + "\n" + text + "END\n" + restartNames)
}

const restartNames = `
systemctl restart names
until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:53")'; do sleep 0.1; done
`

// hook makes a program that begins with the block's line, and publishes by nsupdate.
func hook(d *document, text string) {
	d.t.Helper()
	d.run(`
{ echo '#!/bin/sh'; cat <<'END'; cat <<'REST'; } > /usr/local/bin/hook
` + text + `END
case $DOJANG_DO in
get) dig +short @127.0.0.1 "$DOJANG_NAME" TXT ;;
set) printf 'update delete %s. TXT\nupdate add %s. %s TXT %s\nsend\n' "$DOJANG_NAME" "$DOJANG_NAME" "$DOJANG_TTL" "$DOJANG_VALUE" | nsupdate -k /etc/dojang/dns/tsig.key ;;
delete) printf 'update delete %s. TXT\nsend\n' "$DOJANG_NAME" | nsupdate -k /etc/dojang/dns/tsig.key ;;
esac
REST
chmod +x /usr/local/bin/hook
printf 'Publisher own exec /usr/local/bin/hook\nZone * own\n' > /etc/dojang/rotate.conf
dojang config check
dojang publish --try example.com > /root/said || { cat /root/said; exit 1; }
grep -q 'written by own (exec)' /root/said
`)
}

// publishing are the blocks of docs/publishing.md. The right to publish must be there
// before the first can be seen, which shows what the page is about.
var publishing = []step{
	{"# dojang publish --try", func(d *document, text string) {
		d.t.Helper()
		all := blocks(d.t, d.name)
		session(d, all[2])
		dynamic(d, all[3])
		written("/etc/dojang/rotate.conf")(d, all[1])
		session(d, text)
		d.run(signedMail)
	}, ""},
	{"Publisher  bind ", func(d *document, text string) { d.t.Helper(); configured(d, text) }, ""},
	{"# tsig-keygen", nil, "typed before the first"},
	{"include ", nil, "likewise"},
	{"acl:", whole("/root/acl.yml", "{ printf 'key:\\n  - id: rotate\\n    algorithm: hmac-sha256\\n    secret: AAAA\\n'; cat /root/acl.yml; } > /root/knot.conf; knotc -c /root/knot.conf conf-check"), ""},
	{"Zone  *  cname=", func(d *document, text string) {
		d.t.Helper()
		configured(d, "Publisher bind rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key\n"+text)
	}, ""},
	{"[ -n ", hook, ""},
}

// quick are the waits of a life that a test can see.
const quick = "Proofs 1\\nProofInterval 1s\\nMargin 1s\\nKeepOld 1s\\nKeepRevoked 1s\\nTTL 1\\n"

// mailed has the timer's service tell a person by mail what is to be published.
const mailed = hostmaster + `
printf '` + quick + `Publisher hand manual mail=hostmaster@example.com\nZone * hand\n' > /etc/dojang/rotate.conf
rm -f /var/mail/reports
! dojang keys | grep ' asked .* ago ' # a key that never signed
systemctl start dojang-rotate
for i in $(seq 100); do grep -qs '  name   2[0-9]*._domainkey' /var/mail/reports && exit; sleep 0.1; done
journalctl --no-pager -u dojang-rotate -o cat | tail -20; tail /var/log/postfix.log; exit 1
`

// changed has the timer's service change the key: it is published, proven and signs, and
// the old one's record goes.
const changed = `
printf '` + quick + `' >> /etc/dojang/rotate.conf
rm -f /var/mail/reports
for i in $(seq 40); do
	systemctl start dojang-rotate || { journalctl --no-pager -u dojang-rotate -o cat | tail -20; exit 1; }
	dojang keys > /root/keys
	grep -q ' mail2026 ' /root/keys || break
	sleep 1
done
grep -q '^example.com  2[0-9]*  *rsa 2048 .* signing ' /root/keys && ! grep -q mail2026 /root/keys || { cat /root/keys; dojang rotate log; exit 1; }
grep -q ':2[0-9]*:/etc/opendkim/keys/' /etc/opendkim/KeyTable
selector=$(sed -n 's/.*:\(2[0-9]*\):.*/\1/p' /etc/opendkim/KeyTable)
dig +short @127.0.0.1 $selector._domainkey.example.com TXT | grep -q p=MII
[ -z "$(dig +short @127.0.0.1 mail2026._domainkey.example.com TXT)" ]
printf 'From: a@example.com\nTo: reports@localhost\nDate: %s\nMessage-ID: <r@example.com>\n\nrotated\n' "$(date -R)" | sendmail -i -f a@example.com reports@localhost
for i in $(seq 100); do grep -qs '^rotated' /var/mail/reports && break; sleep 0.1; done
perl -0pe 's/\n[ \t]+/ /g' /var/mail/reports | grep -q "^DKIM-Signature: .* s=$selector;"
dojang testmsg < /var/mail/reports >/root/said 2>&1 || { cat /root/said /var/mail/reports; exit 1; }
`

// rotation are the blocks of docs/rotation.md, on the server of publishing.md.
var rotation = []step{
	{"made ", nil, "the states; internal/rotate has its keys go through all of them"},
	{"# dojang keys adopt", func(d *document, text string) {
		d.t.Helper()
		d.run("rm -f /etc/dojang/rotate.conf")
		then(session, mailed)(d, text)
	}, ""},
	{"StatusSocket ", appended("/etc/opendkim.conf", "dojang config check; systemctl restart opendkim; test -S /run/opendkim/status.sock"), ""},
	{"# systemctl enable --now dojang-rotate.timer", then(session, "systemctl is-active dojang-rotate.timer"), ""},
	{"Publisher  bind ", configured, ""},
	{"# dojang publish --try", then(session, changed), ""},
	{"Zone  *  cname=", func(d *document, text string) {
		d.t.Helper()
		configured(d, "Publisher bind rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key\n"+text)
	}, ""},
	{"Hosts ", configured, ""},
	{"# dojang rotate sync-list", func(d *document, text string) {
		d.t.Helper()
		d.run(secondHost)
		d.run("printf 'Publisher bind rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key\nZone * bind\n' > /etc/dojang/rotate.conf")
		session(d, strings.Replace(text, "# ", "# export PATH=/root/bin:$PATH; ", 1))
		d.run("test -s /root/mx2/etc/opendkim/KeyTable; ls /root/mx2/etc/opendkim/keys/*.private")
	}, ""},
	{"# dojang rotate emergency", func(d *document, text string) {
		d.t.Helper()
		d.run("cp /etc/opendkim/KeyTable /root/before")
		command, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "    #")
		typed(d, "echo yes | script -qec '"+command+"' /dev/null") // it asks at a terminal alone
		d.run("! cmp -s /etc/opendkim/KeyTable /root/before || { cat /etc/opendkim/KeyTable; dojang keys; exit 1; }")
	}, ""},
}

// secondHost is a folder, to which ssh leads that is asked for mx2.
const secondHost = `
mkdir -p /root/mx2 /root/bin
cat > /root/bin/ssh <<'END'
#!/bin/sh
[ "$1" = mx2 ] && shift || exit 1
case $1 in rsync) exec $(echo "$@" | sed 's,/$,/root/mx2/,') ;; *) exec "$@" ;; esac
END
chmod +x /root/bin/ssh
`

// webPages are the blocks of docs/web.md.
var webPages = []step{
	{"dojang web\n", browsed, ""},
	{"http://127.0.0.1:8892/login", promised, ""},
	{"ssh -t -L ", nil, "another machine"},
	{"systemctl enable --now dojang-web", func(d *document, text string) {
		d.t.Helper()
		typed(d, text)
		d.run("curl -sfL -c /root/cookies '" + strings.TrimSpace(d.last[strings.Index(d.last, "http"):]) + "' >/dev/null; curl -sf -b /root/cookies http://127.0.0.1:8892/status >/dev/null")
	}, ""},
	{"StatusSocket ", appended("/etc/opendkim.conf", "dojang config check"), ""},
	{"curl -s ", func(d *document, text string) {
		d.t.Helper()
		d.run("cp /var/mail/reports /root/message.eml")
		typed(d, text)
		if n := strings.Count(d.last, "["); n < 2 {
			d.t.Errorf("%s: no lists come of\n%s%s", d.name, text, d.last)
		}
	}, ""},
	{"install -m 0640 ", func(d *document, text string) {
		d.t.Helper()
		d.run("systemctl stop dojang-web; cd /root; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.com " +
			"-addext subjectAltName=DNS:mail.example.com -keyout key.pem -out cert.pem 2>/dev/null")
		lines := strings.SplitAfter(strings.TrimSpace(text), "\n")
		typed(d, lines[0]+"echo a long password | "+lines[1])
		d.run("sudo -u nobody cat /etc/dojang/web-password 2>/dev/null && exit 1 || true")
		started("curl -sf --cacert /root/cert.pem -o /dev/null https://mail.example.com:8892/check")(d, lines[2])
		started("curl -sf -o /dev/null http://check.example.com:8892/check && ! curl -sf -o /dev/null http://check.example.com:8892/status")(d, "echo 127.0.0.1 check.example.com >> /etc/hosts; "+lines[3])
	}, ""},
	{"mkdir -p /etc/systemd/system/dojang-web", then(typed, `
for i in $(seq 50); do
	[ ! -S /run/dojang-web/web.sock ] || setpriv --reuid=www-data --regid=www-data --clear-groups \
		curl -sf -o /dev/null --unix-socket /run/dojang-web/web.sock -H 'X-Remote-User: joe' http://mail.example.com/status && exit
	sleep 0.1
done
ls -la /run/dojang-web; systemctl status --no-pager dojang-web; exit 1`), ""},
}

// lua are the blocks of docs/lua.md.
var lua = []step{
	{"-- /etc/opendkim/setup.lua", written("/etc/opendkim/setup.lua"), ""},
	{"-- /etc/opendkim/final.lua", written("/etc/opendkim/final.lua"), ""},
	{"KeyTable ", appended("/etc/opendkim.conf", "dojang config check; systemctl restart opendkim"+unsignedBank), ""},
	{"4gXb2Q: dkimf_lua_setup_hook()", func(d *document, text string) {
		d.t.Helper()
		d.run(`printf '\n\n\n\n\n\nif string.find(odkim.get_header(ctx, "X-Fail", 0) or "", "yes") then odkim.sign(ctx, 1, {}) end\n' > /etc/opendkim/setup.lua; systemctl restart opendkim
printf 'From: a@example.com\nX-Fail: yes\n\nx\n' | sendmail -i -f a@example.com reports@localhost || true`)
		logged(d, strings.Replace(text, "4gXb2Q", "0123456789", 1))
	}, ""},
}

// unsignedBank has the final script refuse what its comment says.
const unsignedBank = `
swaks --server 127.0.0.1 --local-interface 192.0.2.10 --from b@bank.example --header 'From: b@bank.example' --to reports@localhost > /root/said 2>&1 || true
grep -q '550 5.7.1 this is not from bank.example' /root/said || { cat /root/said; exit 1; }
`

// TestDocumentsTyped types publishing, rotation, the pages and scripts on one server.
func TestDocumentsTyped(t *testing.T) {
	testutil.Need(t, "nsupdate", "dig", "tsig-keygen", "knotc", "curl", "jq", "openssl", "rsync")
	d := newDocument(t, "docs/publishing.md")
	d.run(setUp)
	for _, name := range []string{"docs/publishing.md", "docs/rotation.md", "docs/web.md", "docs/lua.md"} {
		d.name = name
		d.follow(documents[name])
	}
	d.rcScripts()
}
