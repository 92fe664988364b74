// Package packaging installs our package where Debian's opendkim is set up, and
// looks whether mail is still signed.
package packaging

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// script runs in a mount namespace of its own, on a copy of this machine's
// files that is thrown away: it sets opendkim up, installs our package over it
// and starts what is then /usr/sbin/opendkim by Debian's own configuration.
const script = `set -e
mount -t tmpfs none "$WORK"
mkdir -p "$WORK/up" "$WORK/work" "$WORK/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$WORK/up",workdir="$WORK/work" "$WORK/root"
mount -t proc proc "$WORK/root/proc"
mount --bind /dev "$WORK/root/dev"
cp "$DEB" "$WORK/root/root/dojang.deb"
cat > "$WORK/root/etc/opendkim.conf" <<'EOF'
# set up by hand long ago
Syslog			no
UserID			opendkim
UMask			007
Canonicalization	relaxed/simple
OversignHeaders		From
Domain			example.com
Selector		old
KeyFile			/etc/dkimkeys/old.private
Socket			inet:@PORT@@127.0.0.1
PidFile			/run/opendkim/opendkim.pid
TrustAnchorFile		/usr/share/dns/root.key
EOF
sed -i "s/@PORT@/$PORT/" "$WORK/root/etc/opendkim.conf"
chroot "$WORK/root" sh -e <<'EOF'
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d
mkdir -p /run/opendkim && chown opendkim:opendkim /run/opendkim
opendkim-genkey -D /etc/dkimkeys -d example.com -s old
chown opendkim:opendkim /etc/dkimkeys/old.private
before=$(md5sum /etc/opendkim.conf /etc/dkimkeys/old.private)
opendkim -V > /root/before.version
dpkg -i /root/dojang.deb
after=$(md5sum /etc/opendkim.conf /etc/dkimkeys/old.private)
[ "$before" = "$after" ] || { echo "the configuration was touched"; exit 1; }
opendkim -V | grep -q dojang || { echo "/usr/sbin/opendkim is not ours"; exit 1; }
opendkim -n
opendkim
EOF
PID=$(cat "$WORK/root/run/opendkim/opendkim.pid")
echo "READY"
read -r _ || true
kill "$PID"
for i in 1 2 3 4 5 6 7 8 9 10; do [ -d "/proc/$PID" ] || break; sleep 0.2; done
[ ! -e "$WORK/root/run/opendkim/opendkim.pid" ] || { echo "the pid file is left"; exit 1; }
echo "DONE"
`

func TestPackageTakesOverADebianOpendkim(t *testing.T) {
	testutil.Need(t, "opendkim", "dpkg", "unshare", "make")
	if os.Geteuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	deb := buildPackage(t)
	port := proctest.FreePort(t)
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "WORK="+t.TempDir(), "DEB="+deb, "PORT="+port, "DEBIAN_FRONTEND=noninteractive")
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := newReader(output)
	if !said.until("READY", time.Minute) {
		input.Close()
		t.Fatalf("the package did not take over: %v\n%s", cmd.Wait(), said.text())
	}
	signed := send(t, port)
	fmt.Fprintln(input)
	input.Close()
	if !said.until("DONE", 30*time.Second) {
		t.Errorf("the filter did not stop well:\n%s", said.text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, said.text())
	}
	if !strings.Contains(signed, "d=example.com;") || !strings.Contains(signed, "s=old;") {
		t.Errorf("mail is not signed as before: %q", signed)
	}
}

// buildPackage makes the .deb for this machine.
func buildPackage(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "package", "ARCHES="+runtime.GOARCH, "KINDS=deb", "PACKAGE_VERSION=0.0.0.test")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make package: %v\n%s", err, out)
	}
	return filepath.Join(root, "dist", "dojang_0.0.0.test_"+runtime.GOARCH+".deb")
}

// send has a message of ours signed and returns its signature.
func send(t *testing.T, port string) string {
	t.Helper()
	client, err := milter.Dial("tcp", "127.0.0.1:"+port, milter.ClientOptions{})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := client.Send(ctx, milter.Message{
		Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1")}, From: "a@example.com", Rcpts: []string{"b@example.org"}},
		Macros:   map[string]string{"i": "JOB"},
		Raw:      []byte("From: a@example.com\r\nTo: b@example.org\r\nSubject: s\r\n\r\nhello\r\n"),
	})
	if err != nil {
		t.Error(err)
	}
	for _, e := range out.Edits {
		if e.Name == "DKIM-Signature" {
			return e.Value
		}
	}
	return ""
}
