package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// other is a filter of another kind, at a port where doctor does not look.
const other = "{ inet:127.0.0.1:9998, connect_timeout=10s, default_action=accept }"

// ours is how the filter is named in main.cf.
func (s *server) ours() string { return "inet:127.0.0.1:" + s.port }

// main is a change of main.cf: OURS is the filter's socket, PORT its port, DIR the
// server's folder.
func inMain(name, value string) func(*server) {
	return func(s *server) { s.setting(name, s.fill(value)) }
}

func (s *server) fill(text string) string {
	return strings.NewReplacer("OURS", s.ours(), "PORT", s.port, "DIR", s.dir, "OTHER", other).Replace(text)
}

// inMaster gives the submission service options.
func inMaster(options ...string) func(*server) {
	return func(s *server) {
		for i := range options {
			options[i] = "  -o " + s.fill(options[i])
		}
		s.master = s.address + ":25 inet n - n - - smtpd\n" + s.submission(options...)
	}
}

// both makes one change after another.
func both(changes ...func(*server)) func(*server) {
	return func(s *server) {
		for _, change := range changes {
			change(s)
		}
	}
}

// inTable has a parameter name a table with one line.
func inTable(parameter, kind, line string) func(*server) {
	return func(s *server) {
		s.files["table"] = "# what is here by intent\n192.0.2.77 DUNNO\n" + s.fill(line) + "\n"
		s.setting(parameter, kind+":"+s.path("table"))
	}
}

// options has the services of the rig that take mail inside Postfix get options.
func inService(service, options string) func(*server) {
	return func(s *server) {
		s.before = append(s.before, func() {
			text := s.read("master.cf")
			i := strings.Index(text, "\n"+service+" ") + 1
			end := i + strings.IndexByte(text[i:], '\n')
			s.write("master.cf", text[:end]+" "+s.fill(options)+text[end:], 0o644)
		})
	}
}

// unix has the filter and Postfix meet at a UNIX socket.
func unix(path, attribute string) func(*server) {
	return func(s *server) {
		s.option("Socket", "local:"+s.path(path)+" "+attribute)
		s.setting("smtpd_milters", "unix:"+s.path(path))
		s.before = append(s.before, func() {
			dir := s.path(filepath.Dir(path))
			s.must(os.MkdirAll(dir, 0o755))
			s.chown("opendkim", filepath.Dir(path))
		})
	}
}

// byPostfix are the ways by which Postfix leaves the filter out, or aims beside it.
var byPostfix = []fault{
	{"no milter", inMain("smtpd_milters", ""), "milter-missing", nil},
	{"another filter alone", inMain("smtpd_milters", "inet:127.0.0.1:9998"), "milter-missing", nil},
	{"groups without the filter", inMain("smtpd_milters", "OTHER, { unix:private/other, protocol=6 }"), "milter-missing", nil},
	{"groups over lines", inMain("smtpd_milters", "\n    OTHER,\n    { unix:private/other,\n    protocol=6 }"), "milter-missing", nil},
	{"OpenDMARC alone", both(behind, inMain("smtpd_milters", "inet:127.0.0.1:8893")), "milter-missing", nil},
	{"OpenDMARC in a group alone", inMain("smtpd_milters", "OTHER, { inet:127.0.0.1:8893, default_action=accept }"), "milter-missing", nil},
	{"another host", inMain("smtpd_milters", "inet:127.0.0.2:PORT"), "milter-beside", nil},
	{"another family", inMain("smtpd_milters", "inet:[::1]:PORT"), "milter-beside", nil},
	{"a host that is none", inMain("smtpd_milters", "inet:milter.invalid:PORT"), "milter-beside", nil},
	{"another host in a group", inMain("smtpd_milters", "OTHER, { inet:192.0.2.9:PORT, connect_timeout=10s }"), "milter-beside", nil},
	{"another host by a variable", both(behind, inMain("mine", "inet:127.0.0.2:PORT"), inMain("smtpd_milters", "$mine, OTHER")), "milter-beside", nil},
	{"an empty variable", inMain("smtpd_milters", "${mine}"), "milter-missing", nil},
	{"a condition that does not hold", inMain("smtpd_milters", "${mine?{OURS}} OTHER"), "milter-missing", nil},
	{"another folder", both(unix("run/s", "mode=0666"), inMain("smtpd_milters", "unix:DIR/other/s")), "milter-beside", nil},
	{"local mail", inMain("non_smtpd_milters", ""), "milter-missing", nil},
	{"local mail by another filter", inMain("non_smtpd_milters", "OTHER"), "milter-missing", nil},
	{"local mail to another host", inMain("non_smtpd_milters", "inet:127.0.0.2:PORT"), "milter-beside", nil},
	{"an action misspelt", inMain("milter_default_action", "tempfial"), "default-action-unknown", nil},
	{"mail refused without the filter", inMain("milter_default_action", "reject"), "default-action", nil},
	{"mail held without the filter", inMain("milter_default_action", "quarantine"), "default-action", nil},
	{"an action misspelt in a group", inMain("smtpd_milters", "{ OURS, default_action=acept, connect_timeout=10s }"), "default-action-unknown", nil},
	{"mail refused by a group", inMain("smtpd_milters", "{ OURS, default_action=reject }"), "default-action", nil},
	{"an option misspelt in a group", inMain("smtpd_milters", "{ OURS, conect_timeout=10s, default_action=accept }"), "milter-syntax", nil},
	{"a group not closed", inMain("smtpd_milters", "{ OURS, default_action=accept"), "milter-syntax", nil},
	{"a comma for a colon", inMain("smtpd_milters", "inet:127.0.0.1"), "milter-syntax", nil},
	{"an old protocol", inMain("milter_protocol", "2"), "protocol-old", nil},
	{"macros renamed under an old protocol", both(inMain("milter_protocol", "4"), inMain("milter_mail_macros", "i {mail_addr}")), "protocol-old", nil},
	{"no protocol", inMain("milter_protocol", "9"), "protocol-unknown", nil},
	{"OpenDMARC first", both(behind, inMain("smtpd_milters", "inet:127.0.0.1:8893, OURS")), "milter-order", nil},
	{"OpenDMARC first in groups", both(behind, inMain("smtpd_milters", "OTHER, { unix:run/opendmarc.sock, default_action=accept }, { OURS, connect_timeout=10s }")), "milter-order", nil},
	{"the filter twice", both(behind, inMain("smtpd_milters", "OURS, OURS")), "milter-twice", nil},
	{"the filter twice by two names", both(behind, inMain("smtpd_milters", "OURS, OTHER, { inet:localhost:PORT, default_action=tempfail }")), "milter-twice", nil},
	{"before and behind a content filter", contentFilter(), "filtered-twice", nil},
	{"before and behind a content filter with options", contentFilter("receive_override_options=no_header_body_checks", "smtpd_milters=OURS"), "filtered-twice", nil},
	{"subjects changed on the way out", inTable("smtp_header_checks", "regexp", "/^Subject:(.*)/ REPLACE Subject: sent: $1"), "header-checks", nil},
	{"bodies changed on the way out", inTable("smtp_body_checks", "regexp", "/^Sent from my / REPLACE -- "), "body-checks", nil},
	{"parts changed on the way out", inTable("smtp_mime_header_checks", "regexp", "/^Content-Disposition:/ IGNORE"), "body-checks", nil},
	{"enclosed messages changed on the way out", inTable("smtp_nested_header_checks", "regexp", "/^Received:/ STRIP"), "body-checks", nil},
	{"authors changed on the way out", inTable("smtp_generic_maps", "regexp", "/^[^.]*@example\\.com$/ all.of.us@example.com"), "generic-maps", nil},
	{"8-bit mail recoded on the way out", inMain("smtp_discard_ehlo_keywords", "chunking, 8BITMIME"), "mime-conversion", nil},
	{"lines broken on the way out", inMain("smtp_line_length_limit", "400"), "line-length", nil},
	{"no milters for all", inMain("receive_override_options", "no_milters"), "no-milters", nil},
	{"no milters among others", inMain("receive_override_options", "no_address_mappings, no_milters"), "no-milters", nil},
	{"no milters for this host", inTable("smtpd_milter_maps", "cidr", "127.0.0.0/8 DISABLE"), "client-map", nil},
	{"no milters for anybody", inTable("smtpd_milter_maps", "cidr", "0.0.0.0/0 DISABLE"), "client-map", nil},
	{"another filter for this host", inTable("smtpd_milter_maps", "cidr", "127.0.0.1 inet:127.0.0.1:9998"), "client-map", nil},
	{"no milters by a pattern", inTable("smtpd_milter_maps", "regexp", "/^127\\./ DISABLE"), "client-map", nil},
	{"signatures cut out", inTable("header_checks", "regexp", "/^DKIM-Signature:/ IGNORE"), "header-checks", nil},
	{"our signatures cut out", inTable("milter_header_checks", "regexp", "/^DKIM-/ IGNORE"), "header-checks", nil},
	{"signatures cut out on the way out", inTable("smtp_header_checks", "regexp", "/^dkim-signature/ IGNORE"), "header-checks", nil},
	{"submission without milters", inMaster("smtpd_milters="), "milter-missing", nil},
	{"submission by another filter", inMaster("smtpd_milters=inet:127.0.0.1:9999"), "milter-missing", nil},
	{"submission by groups", inMaster("{ smtpd_milters = { inet:127.0.0.1:9998, connect_timeout=10s }, inet:127.0.0.1:9997 }"), "milter-missing", nil},
	{"submission to another host", inMaster("smtpd_milters=inet:127.0.0.2:PORT"), "milter-beside", nil},
	{"submission with no_milters", inMaster("receive_override_options=no_milters"), "no-milters", nil},
	{"submission with no_milters among others", inMaster("receive_override_options=no_header_body_checks,no_milters"), "no-milters", nil},
	{"submission by an emptied variable", both(inMain("mine", "OURS"), inMain("smtpd_milters", "$mine"), inMaster("mine=")), "milter-missing", nil},
	{"submission with an action misspelt", inMaster("milter_default_action=acept"), "default-action-unknown", nil},
	{"incoming without milters", func(s *server) {
		s.master = strings.Replace(s.services(), ":25 inet n - n - - smtpd\n", ":25 inet n - n - - smtpd\n  -o smtpd_milters=\n", 1)
	}, "milter-missing", nil},
	{"cleanup without milters", inService("cleanup", "-o non_smtpd_milters="), "milter-missing", nil},
	{"pickup with no_milters", inService("pickup", "-o receive_override_options=no_milters"), "no-milters", nil},
	{"no service of the name that MTA wants", both(loginsByName, inMaster()), "daemon-name", nil},
	{"a socket outside of the chroot", both(unix("run/s", "mode=0666"), func(s *server) {
		s.master = strings.Replace(s.services(), ":25 inet n - n", ":25 inet n - y", 1)
	}), "socket-outside-chroot", nil},
}

// contentFilter has Postfix hand mail to a content filter, here to the service that takes
// it back at once.
func contentFilter(options ...string) func(*server) {
	return func(s *server) {
		s.setting("content_filter", "smtp:["+s.address+"]:10025")
		s.master = s.services() + s.fill(s.address+":10025 inet n - n - - smtpd\n  -o "+strings.Join(append(options,
			"content_filter=\n"), "\n  -o "))
	}
}

// behind has filters behind ours, of which nobody writes results in our name.
func behind(s *server) { s.option("RemoveARMethods", "spf,dmarc") }

// loginsByName signs what the service ORIGINATING takes, and nothing of hosts.
func loginsByName(s *server) {
	s.option("InternalHosts", "-")
	s.option("MTA", "ORIGINATING")
}

// verifies has no keys: a filter for what others send.
func verifies(s *server) {
	s.option("Mode", "v")
	s.options = slices.DeleteFunc(s.options, func(o option) bool {
		return o.name == "KeyTable" || o.name == "SigningTable" || o.name == "OversignHeaders"
	})
}

// usual are right set-ups, if not everybody's.
var usual = []fault{
	{"verifying alone", both(verifies, inMain("non_smtpd_milters", ""), inMaster("smtpd_milters=")), "", nil},
	{"signing alone", both(func(s *server) { s.option("Mode", "s") }, func(s *server) {
		s.master = strings.Replace(s.services(), ":25 inet n - n - - smtpd\n", ":25 inet n - n - - smtpd\n  -o smtpd_milters=\n", 1)
	}), "", nil},
	{"signing by a service's name", both(loginsByName, inMaster("milter_macro_daemon_name=ORIGINATING")), "", nil},
	{"signing for logins alone", func(s *server) { s.option("InternalHosts", "-") }, "", nil},
	{"signing by macros", both(func(s *server) { s.option("InternalHosts", "-"); s.option("MacroList", "{daemon_name}=ORIGINATING") }, inMaster("milter_macro_daemon_name=ORIGINATING")), "", nil},
	{"back from a content filter", func(s *server) {
		s.master = s.services() + s.address + ":10025 inet n - n - - smtpd\n  -o content_filter=\n  -o smtpd_milters=\n  -o receive_override_options=no_milters,no_header_body_checks\n"
	}, "", nil},
	{"signing before a content filter", contentFilter("receive_override_options=no_milters,no_header_body_checks"), "", nil},
	{"networks of which one is loopback", func(s *server) { s.option("InternalHosts", "192.168.0.0/16,127.0.0.0/8") }, "", nil},
	{"authors changed on the way out for whom nobody signs", inTable("smtp_generic_maps", "regexp", "/^(.*)@host\\.local$/ $1@example.net"), "", nil},
	{"bodies looked at on the way out", inTable("smtp_body_checks", "regexp", "/REPLACE|IGNORE/ WARN seen\n/^x/ DUNNO\n/^y/ REJECT no"), "", nil},
	{"fields cut out that nobody signs", inTable("smtp_header_checks", "regexp", "/^(Received|User-Agent|X-Originating-IP):/ IGNORE"), "", nil},
	{"signing behind a content filter", func(s *server) {
		s.setting("smtpd_milters", "")
		s.setting("non_smtpd_milters", "")
		s.setting("content_filter", "smtp:[127.0.0.1]:10024")
		s.master = s.services() + s.fill(s.address+":10025 inet n - n - - smtpd\n  -o content_filter=\n  -o smtpd_milters=OURS\n")
	}, "", nil},
	{"groups and variables", both(inMain("mine", "{ OURS, connect_timeout=10s, default_action=tempfail }"), behind, inMain("smtpd_milters", "${mine}, OTHER\n  inet:127.0.0.1:8893")), "", nil},
	{"a condition that holds", both(inMain("mine", "yes"), inMain("smtpd_milters", "${{$mine} == {yes} ? {OURS} : {}}")), "", nil},
	{"macros that the filter asks for", both(inMain("milter_mail_macros", "i"), inMain("milter_connect_macros", "j"), inMain("milter_default_action", "tempfail")), "", nil},
	{"a name for the host", inMain("smtpd_milters", "inet:localhost:PORT"), "", nil},
	{"every address", func(s *server) { s.option("Socket", "inet:"+s.port) }, "", nil},
	{"a socket in the queue for a chroot", func(s *server) {
		unix("queue/opendkim/s", "mode=0666")(s)
		s.setting("smtpd_milters", "unix:opendkim/s")
		s.master = strings.Replace(s.services(), ":25 inet n - n", ":25 inet n - y", 1)
	}, "", nil},
	{"maps that lead to the filter", inTable("smtpd_milter_maps", "cidr", "127.0.0.0/8 OURS"), "", nil},
	{"other clients without milters", inTable("smtpd_milter_maps", "cidr", "198.51.100.0/24 DISABLE"), "", nil},
	{"lists of domains that are signed", both(inMain("mydestination", "$myhostname, localhost.$mydomain, localhost, example.com"), inMain("virtual_alias_domains", "example.com"), inMain("myorigin", "example.com")), "", nil},
	{"submission with its own list", inMaster("{ smtpd_milters = { inet:127.0.0.1:9998, connect_timeout=10s }, OURS }"), "", nil},
	{"headers looked at", inTable("header_checks", "regexp", "/^Received:/ IGNORE"), "", nil},
}
