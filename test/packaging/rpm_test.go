package packaging

import (
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// epel makes an EPEL system of the machine, as far as the filter sees one: its
// package of OpenDKIM, set up by hand and running.
const epel = `
rpmbuild -bb --quiet --define '_topdir /root/rpm' --define '_dbpath /var/lib/rpm' /root/opendkim.spec
dpkg --listfiles opendkim opendkim-tools | while read -r f; do [ ! -f "$f" ] || rm -f "$f"; done
rm -rf /etc/dkimkeys
userdel opendkim
rpm --force-debian --dbpath /var/lib/rpm --nodeps -i /root/rpm/RPMS/*/*.rpm
cat > /etc/opendkim.conf <<'EOF'
Mode sv
Syslog yes
UserID opendkim:opendkim
Umask 002
Socket local:/run/opendkim/opendkim.sock
KeyTable /etc/opendkim/KeyTable
SigningTable refile:/etc/opendkim/SigningTable
InternalHosts refile:/etc/opendkim/TrustedHosts
OversignHeaders From
EOF
echo 'old example.com:old:/etc/opendkim/keys/old.private' >> /etc/opendkim/KeyTable
echo '*@example.com old' >> /etc/opendkim/SigningTable
opendkim-genkey -D /etc/opendkim/keys -d example.com -s old
chown root:opendkim /etc/opendkim/keys/old.private
chmod 640 /etc/opendkim/keys/old.private
systemctl enable --now opendkim
until [ -S /run/opendkim/opendkim.sock ]; do sleep 0.1; done` + configuration + "> /root/sums"

// configuration lists names, modes, owners and content of what is the
// administrator's.
const configuration = `
find /etc/opendkim* /etc/sysconfig/opendkim -type f -exec stat -c '%n %A %U %G' {} + -exec md5sum {} + | sort `

const untouched = configuration + "| diff /root/sums -"

func TestRPM(t *testing.T) {
	testutil.Need(t, "opendkim", "rpm", "rpmbuild", "make")
	m := boot(t, append(packages(t, "rpm", "0.0.1", "0.0.2"), "testdata/opendkim.spec")...)
	m.run(epel)
	m.signs("old")

	// In EPEL's place.
	const rpm = "rpm --force-debian --dbpath /var/lib/rpm --nodeps "
	const ask = "rpm --dbpath /var/lib/rpm "
	m.run(rpm + "-U /root/dojang-0.0.1-*.rpm" + untouched)
	m.want("dojang-0.0.1-1", ask+"-qa --qf '%{name}-%{version}-%{release}'")
	m.want("active\nenabled", "systemctl is-active opendkim; systemctl is-enabled opendkim")
	m.want("", ask+"--nodeps -V dojang; systemd-analyze verify opendkim.service")
	m.want("opendkim -x /etc/opendkim.conf -P /run/opendkim/opendkim.pid opendkim opendkim",
		`pid=$(cat /run/opendkim/opendkim.pid); echo $(tr '\0' ' ' < /proc/$pid/cmdline | sed 's,/usr/sbin/,,') $(ps -o user= -o group= $pid)`)
	m.signs("old")
	m.run("systemctl reload opendkim")
	m.want("750 root dojang-dns\n700 dojang-dns dojang-dns\n2",
		"stat -c '%a %U %G' /etc/dojang/dns /var/lib/dojang/dns; getent group dojang-web dojang-dns | wc -l")

	// A new version; the service is as its administrator wants it.
	m.run(others + "systemctl disable opendkim; cat /run/opendkim/opendkim.pid > /root/before; " + rpm +
		"-U /root/dojang-0.0.2-*.rpm" + untouched)
	m.want("active\ndisabled", "systemctl is-active opendkim; systemctl is-enabled opendkim || true")
	m.run("! cmp -s /run/opendkim/opendkim.pid /root/before" + renewed)
	m.signs("old")

	// Gone, but for what is the administrator's.
	m.run(rpm + "-e dojang" + untouched)
	m.want("", othersGone)
	m.want("", "pgrep -x opendkim || true; ls -d /run/opendkim /usr/sbin/opendkim* /usr/lib/systemd/system/opendkim* "+
		"/usr/share/dojang /usr/share/doc/dojang 2>/dev/null || true")

	// Where there was none.
	m.run("rm -rf /etc/opendkim* /etc/sysconfig/opendkim; userdel opendkim; " + rpm + "-i /root/dojang-0.0.2-*.rpm")
	m.want("active\nenabled", "systemctl is-active opendkim; systemctl is-enabled opendkim")
	m.want("755 root opendkim\n750 root opendkim", "stat -c '%a %U %G' /etc/opendkim /etc/opendkim/keys")

	m.run("echo '127.0.0.1 mail.example.com mail' > /etc/hosts; hostname mail; opendkim-default-keygen; grep -q " +
		"'default._domainkey' /etc/opendkim/keys/default.txt")
	m.want("640 root opendkim", "stat -c '%a %U %G' /etc/opendkim/keys/default.private")

	// And back to EPEL's, which finds the configuration.
	m.run("echo 'Domain example.com' >> /etc/opendkim.conf; " + rpm + "-e dojang; " + rpm + "-i /root/rpm/RPMS/*/*.rpm")
	if got := m.run("cat /etc/opendkim.conf"); !strings.Contains(got, "Domain example.com") {
		t.Errorf("the configuration did not stay: %s", got)
	}
}
