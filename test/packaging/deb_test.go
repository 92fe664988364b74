package packaging

import (
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// debian sets opendkim up as people do, with a configuration and a key of their
// own, and starts it.
const debian = `
cat > /etc/opendkim.conf <<'EOF'
# set up by hand long ago
Syslog			yes
UserID			opendkim
UMask			007
Canonicalization	relaxed/simple
OversignHeaders		From
Domain			example.com
Selector		old
KeyFile			/etc/dkimkeys/old.private
Socket			local:/run/opendkim/opendkim.sock
PidFile			/run/opendkim/opendkim.pid
TrustAnchorFile		/usr/share/dns/root.key
EOF
opendkim-genkey -D /etc/dkimkeys -d example.com -s old
chown opendkim:opendkim /etc/dkimkeys/old.private
systemctl enable --now opendkim
until [ -S /run/opendkim/opendkim.sock ]; do sleep 0.1; done
md5sum /etc/opendkim.conf /etc/dkimkeys/old.private > /root/sums`

// others have the services run that the packages ship disabled.
const others = `
systemctl enable --now dojang-web dojang-rotate.timer 2>/dev/null
systemctl show -p MainPID --value dojang-web > /root/web-before
`

// renewed: an upgrade has started the pages anew, and left the timer on.
const renewed = `
systemctl is-active --quiet dojang-web; systemctl is-active --quiet dojang-rotate.timer
! systemctl show -p MainPID --value dojang-web | cmp -s - /root/web-before
`

// othersGone prints what is left of them.
const othersGone = `pgrep -x dojang || true
systemctl is-active dojang-web dojang-rotate.timer | grep -v inactive || true
find /etc/systemd/system -name 'dojang*'`

func TestDebianPackage(t *testing.T) {
	testutil.Need(t, "opendkim", "dpkg", "make", "deb-systemd-helper")
	m := boot(t, packages(t, "deb", "0.0.1", "0.0.2")...)
	m.run(debian)
	m.signs("old")

	// In Debian's place.
	m.run("dpkg -i /root/dojang_0.0.1-1_*.deb; md5sum --check --quiet /root/sums; opendkim -n")
	if v := m.run("opendkim -V"); !strings.Contains(v, "dojang") {
		t.Errorf("/usr/sbin/opendkim is not ours: %s", v)
	}
	m.want("active\nenabled", "systemctl is-active opendkim; systemctl is-enabled opendkim 2>&1 | tail -1")
	m.want("", "systemd-analyze verify opendkim.service; dpkg --verify dojang")
	m.signs("old")
	m.run("systemctl reload opendkim")
	m.want("active", "systemctl is-active opendkim")

	// What is left of Debian's goes, and takes nothing of ours with it.
	m.run("dpkg -P opendkim; md5sum --check --quiet /root/sums")
	m.want("enabled", "systemctl is-enabled opendkim")

	// A new version; the service is as its administrator wants it.
	m.run(others + "systemctl disable opendkim; dpkg -i /root/dojang_0.0.2-1_*.deb; md5sum --check --quiet /root/sums")
	m.want("disabled", "systemctl is-enabled opendkim || true")
	m.want("0.0.2-1", "dpkg-query -W -f '${Version}' dojang")
	m.run("systemctl restart opendkim" + renewed)
	m.signs("old")

	// Gone, but for what is the administrator's.
	m.run("dpkg -r dojang; md5sum --check --quiet /root/sums")
	m.want("", "pgrep -x opendkim || true; ls -d /run/opendkim /usr/sbin/opendkim* /lib/systemd/system/opendkim.service "+
		"2>/dev/null || true; dpkg-divert --list '*opendkim*'")
	m.run("dpkg -P dojang; md5sum --check --quiet /root/sums")
	m.want("", othersGone)

	// Where there is no configuration, Postfix reaches the socket, and nobody else.
	const reach = `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => "/%s") or die $!'`
	for _, chroot := range []string{"y", "n"} {
		m.run("dpkg -P dojang; rm -rf /etc/opendkim.conf /run/opendkim; postconf -F 'smtp/inet/chroot=" +
			chroot + "'; dpkg -i /root/dojang_0.0.2-1_*.deb")
		folder, milter := "/run/opendkim", "unix:/run/opendkim/opendkim.sock"
		if chroot == "y" {
			folder, milter = "/var/spool/postfix/opendkim", "unix:opendkim/opendkim.sock"
		}
		m.want("local:"+folder+"/opendkim.sock", "awk '$1 == \"Socket\" { print $2 }' /etc/opendkim.conf")
		m.run("grep -q \"smtpd_milters = " + milter +
			"'\" /etc/opendkim.conf; printf 'Domain example.com\nSelector old\nKeyFile /etc/dkimkeys/old.private\n' >> " +
			"/etc/opendkim.conf; systemctl restart opendkim")
		m.want("2755 opendkim postfix\n770 opendkim postfix", "stat -c '%a %U %G' "+folder+" "+folder+"/opendkim.sock")
		connect := strings.Replace(reach, "/%s", folder+"/opendkim.sock", 1)
		m.run("setpriv --reuid postfix --regid postfix --clear-groups " + connect)
		m.run("! setpriv --reuid nobody --regid nogroup --clear-groups " + connect)
		// As at a boot.
		m.run("systemctl stop opendkim; rm -rf /run/opendkim; systemd-tmpfiles --create opendkim.conf; systemctl start " +
			"opendkim; setpriv --reuid postfix --regid postfix --clear-groups " + connect)
	}

	// The pages are off; once on, they ask the filter as a user that can read none of its files.
	m.want("disabled\n660 opendkim dojang-web", "systemctl is-enabled dojang-web || true; stat -c '%a %U %G' /run/opendkim/status.sock")
	m.run("systemctl start dojang-web; dojang web login > /root/url; " +
		"curl -sSfL -c /root/cookies \"$(cat /root/url)\" | grep -q 'No mail of our domains'")
	m.want("dojang-web-pages", "ps -o user:20= -C dojang | tail -1")
	m.run("! setpriv --reuid nobody --regid nogroup --clear-groups dojang web login")
}
