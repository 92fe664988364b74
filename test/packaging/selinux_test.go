package packaging

import (
	"fmt"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// labels are the types that files of the .rpm and of a configuration have, by the
// policy's patterns and ours.
var labels = map[string]string{
	"/usr/sbin/opendkim":                        "dkim_milter_exec_t",
	"/usr/bin/dojang":                           "bin_t",
	"/usr/sbin/opendkim-genkey":                 "bin_t",
	"/usr/sbin/opendkim-default-keygen":         "bin_t",
	"/run/opendkim/opendkim.sock":               "dkim_milter_data_t",
	"/run/opendkim/opendkim.pid":                "dkim_milter_data_t",
	"/var/lib/opendkim/status":                  "dkim_milter_data_t",
	"/var/spool/postfix/opendkim/opendkim.sock": "dkim_milter_data_t",
	"/etc/opendkim/keys/default.private":        "dkim_milter_private_key_t",
	"/etc/opendkim.conf":                        "etc_t",
	"/etc/opendkim/KeyTable":                    "etc_t",
	"/etc/sysconfig/opendkim":                   "etc_t",
}

// rights are what the filter does in its domain, and what others do with its socket.
var rights = []struct{ who, what, class, how string }{
	{"dkim_milter_t", "dkim_milter_exec_t", "file", "entrypoint"},
	{"init_t", "dkim_milter_t", "process", "transition"},
	{"init_t", "dkim_milter_t", "process2", "nnp_transition"},
	{"dkim_milter_t", "etc_t", "file", "read"},
	{"dkim_milter_t", "net_conf_t", "file", "read"}, // resolv.conf
	{"dkim_milter_t", "dkim_milter_private_key_t", "file", "read"},
	{"dkim_milter_t", "dkim_milter_data_t", "sock_file", "create"},
	{"dkim_milter_t", "dkim_milter_data_t", "file", "rename"},
	{"dkim_milter_t", "dkim_milter_data_t", "dir", "add_name"},
	{"dkim_milter_t", "milter_port_t", "tcp_socket", "name_bind"},
	{"dkim_milter_t", "dns_port_t", "tcp_socket", "name_connect"},
	{"dkim_milter_t", "devlog_t", "sock_file", "write"},
	{"dkim_milter_t", "init_runtime_t", "sock_file", "write"}, // of sd_notify
	{"dkim_milter_t", "dkim_milter_t", "capability", "setuid"},
	{"dkim_milter_t", "dkim_milter_t", "capability", "setgid"},
	{"postfix_smtpd_t", "dkim_milter_data_t", "sock_file", "write"},
	{"postfix_smtpd_t", "dkim_milter_t", "unix_stream_socket", "connectto"},
}

// wrongs are what nobody may in that domain, or come to it.
var wrongs = []struct{ who, what, class, how string }{
	{"dkim_milter_t", "dkim_milter_private_key_t", "file", "write"},
	{"dkim_milter_t", "etc_t", "file", "write"},
	{"dkim_milter_t", "shadow_t", "file", "read"},
	{"dkim_milter_t", "bin_t", "file", "entrypoint"},
	{"postfix_smtpd_t", "dkim_milter_private_key_t", "file", "read"},
}

// TestSELinux installs the .rpm where Debian's copy of the reference policy is, adds our
// module to it as the package does, and asks the policy: the filter runs in the domain
// that is made for it and may do there what it does; the tools do not.
func TestSELinux(t *testing.T) {
	testutil.Need(t, "rpm", "make", "sesearch", "matchpathcon", "semodule")
	m := boot(t, packages(t, "rpm", "0.0.1")...)
	m.run("dpkg --listfiles opendkim opendkim-tools | while read -r f; do [ ! -f \"$f\" ] || rm -f \"$f\"; done; rm -rf " +
		"/etc/opendkim* /etc/dkimkeys")
	m.run("rpm --force-debian --dbpath /var/lib/rpm --nodeps -i /root/dojang-0.0.1-*.rpm")
	m.want("regular file\nregular file\nsymbolic link", "stat -c %F /usr/sbin/opendkim /usr/bin/dojang /usr/sbin/opendkim-genkey")
	m.run("semodule -s default -N -i /usr/share/dojang/dojang.cil; semodule -s default -l | grep -q '^dojang$'")

	var files []string
	for file := range labels {
		files = append(files, file)
	}
	for line := range strings.Lines(m.run("matchpathcon -m file -f /etc/selinux/default/contexts/files/file_contexts " +
		strings.Join(files, " "))) {
		if file, label, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.Contains(label, ":"+labels[file]+":") {
			t.Errorf("%s is labelled %s, want %s", file, label, labels[file])
		}
	}
	m.want("/usr/sbin/opendkim", "rpm --dbpath /var/lib/rpm -ql dojang | while read -r f; do [ -d $f ] || matchpathcon -f "+
		"/etc/selinux/default/contexts/files/file_contexts $f; done | awk '/dkim_milter_exec_t/ { print $1 }'")
	const policy = " /etc/selinux/default/policy/policy.*"
	m.want("type_transition init_t dkim_milter_exec_t:process dkim_milter_t;", "sesearch -T -s init_t -t dkim_milter_exec_t"+policy)
	ask := func(who, what, class, how string) bool {
		return strings.Contains(m.run(fmt.Sprintf("sesearch -A -s %s -t %s -c %s -p %s"+policy, who, what, class, how)), "allow ")
	}
	for _, r := range rights {
		if !ask(r.who, r.what, r.class, r.how) {
			t.Errorf("%s may not %s %s of %s", r.who, r.how, r.class, r.what)
		}
	}
	for _, w := range wrongs {
		if ask(w.who, w.what, w.class, w.how) {
			t.Errorf("%s may %s %s of %s", w.who, w.how, w.class, w.what)
		}
	}
	m.run("semodule -s default -N -r dojang; ! semodule -s default -l | grep -q '^dojang$'")
}
