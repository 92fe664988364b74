package packaging

import (
	"path/filepath"
	"strings"
	"testing"
)

// bsd are the blocks of docs/bsd.md.
var bsd = []step{
	{"pkg install", nil, "no FreeBSD: TestMakeInstallsScripts and rcScripts do what the lines do"},
	{"Socket ", nil, "as above"},
	{"pkg_add ", nil, "no OpenBSD: likewise"},
	{"UserID ", nil, "as above"},
}

// TestMakeInstallsScripts: where the system has rc(8), its script is installed, and nothing
// of systemd's.
func TestMakeInstallsScripts(t *testing.T) {
	for system, script := range map[string]string{"FreeBSD": "usr/local/etc/rc.d/milter-opendkim",
		"OpenBSD": "etc/rc.d/opendkim", "Linux": "usr/local/lib/systemd/system/opendkim.service"} {
		dir := t.TempDir()
		shell(t, "../..", "make -s install SYSTEM="+system+" DESTDIR="+dir)
		found := shell(t, dir, "find . -path '*rc.d/*' -o -path '*systemd*' -type f -name 'opendkim.service'; readlink "+
			"usr/local/sbin/opendkim; sh -n "+script+" || true")
		if want := "./" + script + "\n../bin/dojang\n"; !strings.HasPrefix(found, want) || system != "Linux" && found != want {
			t.Errorf("%s: installed are\n%s\nwant\n%s", system, found, want)
		}
		if text := shell(t, dir, "cat "+script); !strings.Contains(text, "/usr/local/sbin/opendkim") {
			t.Errorf("%s: %s starts another program:\n%s", system, filepath.Base(script), text)
		}
	}
}

// What the systems' rc.subr(8) do with the words of our scripts.
const rcSubr = `
mkdir -p /etc/rc.d
cat > /etc/rc.subr <<'END'
load_rc_config() { . /etc/rc.conf; }
run_rc_command() {
	eval "enabled=\$$rcvar; rc_flags=\${${name}_flags:-}"
	pid=$(cat "$pidfile" 2>/dev/null || true)
	case $1 in
	start) [ "$enabled" = YES ] && [ -r "$required_files" ] && $start_precmd && $command $rc_flags $command_args ;;
	reload) $reload_precmd && kill -$sig_reload $pid ;;
	stop) kill -TERM $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done ;;
	esac
}
END
cat > /etc/rc.d/rc.subr <<'END'
rc_cmd() {
	pexp="$daemon${daemon_flags:+ $daemon_flags}"
	case $1 in
	start) rc_pre && $daemon $daemon_flags ;;
	check) pgrep -xf "$pexp" >/dev/null ;;
	reload) rc_reload ;;
	stop) pkill -TERM -xf "$pexp"; while pgrep -xf "$pexp" >/dev/null; do sleep 0.1; done ;;
	esac
}
END
`

// rcScripts has each script start the filter, reload it, refuse a wrong configuration and
// stop it, on a server that has one.
func (d *document) rcScripts() {
	d.t.Helper()
	d.put("../../packaging/bsd/milter-opendkim")
	d.put("../../packaging/bsd/opendkim")
	d.run(rcSubr + `
systemctl stop opendkim; cd /root; mkdir -p /usr/local/etc/mail; useradd --system _opendkim
grep -Ev '^(Socket|PidFile|StatusSocket|StatusFile|UserID|SetupPolicy|FinalPolicy)' /etc/opendkim.conf > /root/common.conf
printf 'milteropendkim_enable=YES\nmilteropendkim_uid=opendkim\n' > /etc/rc.conf
each() {
	sh $1 start
	for i in $(seq 300); do [ -S "$2" ] && [ -s "$3" ] && break; sleep 0.1; done
	[ -S "$2" ]; pid=$(cat "$3"); kill -0 $pid
	[ "$(ps -o user:20= $pid)" = "$4" ]
	sh $1 reload
	cp "$5" before; echo 'Mode nonsense' >> "$5"
	! sh $1 reload 2>/dev/null; cp before "$5"
	kill -0 $pid; sh $1 stop
	for i in $(seq 300); do kill -0 $pid 2>/dev/null || return 0; sleep 0.1; done # until systemd has reaped it
	return 1
}
cat common.conf - > /usr/local/etc/mail/opendkim.conf <<END
Socket local:/var/run/milteropendkim/socket
END
each milter-opendkim /var/run/milteropendkim/socket /var/run/milteropendkim/pid opendkim /usr/local/etc/mail/opendkim.conf
chown -R _opendkim /etc/opendkim/keys
cat common.conf - > /etc/opendkim.conf <<END
UserID _opendkim
Socket local:/var/run/opendkim/socket
PidFile /var/run/opendkim/pid
END
each opendkim /var/run/opendkim/socket /var/run/opendkim/pid _opendkim /etc/opendkim.conf
`)
}
