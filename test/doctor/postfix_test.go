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
	return strings.NewReplacer("OURS", s.ours(), "PORT", s.port, "FREE", s.other, "DIR", s.dir, "OTHER", other).Replace(text)
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
	return both(inFile(line), inMain(parameter, kind+":DIR/table"))
}

// inFile writes the table.
func inFile(line string) func(*server) {
	return func(s *server) {
		s.files["table"] = "# what is here by intent\n192.0.2.77 DUNNO\n" + s.fill(line) + "\n"
	}
}

// indexed writes the table, and its index.
func indexed(line string) func(*server) {
	return both(inFile(line), before(func(s *server) { s.type_("postmap hash:table") }))
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
	{"a comment behind the filter", inMain("smtpd_milters", "OURS # DKIM, not OTHER"), "milter-syntax", nil},
	{"another filter alone", inMain("smtpd_milters", "inet:127.0.0.1:9998"), "milter-missing", nil},
	{"groups without the filter", inMain("smtpd_milters", "OTHER, { unix:private/other, protocol=6 }"), "milter-missing", nil},
	{"groups over lines", inMain("smtpd_milters", "\n    OTHER,\n    { unix:private/other,\n    protocol=6 }"), "milter-missing", nil},
	{"OpenDMARC alone", both(behind, inMain("smtpd_milters", "inet:127.0.0.1:8893")), "milter-missing", nil},
	{"OpenDMARC in a group alone", inMain("smtpd_milters", "OTHER, { inet:127.0.0.1:8893, default_action=accept }"), "milter-missing", nil},
	{"another host", inMain("smtpd_milters", "inet:127.0.0.2:PORT"), "milter-beside", nil},
	{"unix: for inet:", inMain("smtpd_milters", "unix:PORT"), "milter-beside", nil},
	{"a port of a how-to where nobody listens", inMain("smtpd_milters", "OTHER, inet:localhost:12301"), "milter-beside", nil},
	{"a socket of a how-to where nobody listens", inMain("smtpd_milters", "local:opendkim/opendkim.sock"), "milter-beside", nil},
	{"a socket that a command line sets", startedWith("-p ", "", "127.0.0.9", "PORT"), "milter-beside", nil},
	{"a socket that the environment sets", startedWith("", "OPENDKIM_Socket=", "127.0.0.9", "PORT"), "milter-beside", nil},
	{"another port that a command line sets", startedWith("-p ", "", "127.0.0.1", "FREE"), "milter-beside", nil},
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
	{"an old protocol for submission", inMaster("milter_protocol=2"), "protocol-old", nil},
	{"an old protocol in a group", inMain("smtpd_milters", "{ OURS, protocol=2 }"), "protocol-old", nil},
	{"macros left out for submission under an old protocol", inMaster("milter_mail_macros=i", "milter_protocol=4"), "protocol-old", nil},
	{"a moment for a message", inMain("milter_content_timeout", "1s"), "timeout-short", nil},
	{"a moment for a message of submission", inMaster("milter_content_timeout=4"), "timeout-short", nil},
	{"a moment in a group", inMain("smtpd_milters", "{ OURS, content_timeout=1s }"), "timeout-short", nil},
	{"a moment for an answer", inMain("milter_command_timeout", "1"), "timeout-short", nil},
	{"no protocol", inMain("milter_protocol", "9"), "protocol-unknown", nil},
	{"OpenDMARC first", both(behind, inMain("smtpd_milters", "inet:127.0.0.1:8893, OURS")), "milter-order", nil},
	{"OpenDMARC first in groups", both(behind, inMain("smtpd_milters", "OTHER, { unix:run/opendmarc.sock, default_action=accept }, { OURS, connect_timeout=10s }")), "milter-order", nil},
	{"the filter twice", both(behind, inMain("smtpd_milters", "OURS, OURS")), "milter-twice", nil},
	{"the filter twice by two names", both(behind, inMain("smtpd_milters", "OURS, OTHER, { inet:localhost:PORT, default_action=tempfail }")), "milter-twice", nil},
	{"before and behind a content filter", contentFilter(), "filtered-twice", nil},
	{"before and behind a content filter with options", contentFilter("receive_override_options=no_header_body_checks", "smtpd_milters=OURS"), "filtered-twice", nil},
	{"before a proxy", proxied("smtpd_milters="), "milter-before-proxy", nil},
	{"before a proxy, and none behind", proxied("receive_override_options=no_milters"), "milter-before-proxy", nil},
	{"subjects changed by a transport", both(inFile("/^Subject:(.*)/ REPLACE Subject: sent: $1"), inService("smtp", "-o smtp_header_checks=regexp:DIR/table")), "header-checks", nil},
	{"subjects changed by a pattern in main.cf", inMain("smtp_header_checks", "regexp:{{/^To:/ DUNNO}, {/^Subject:(.*)/ REPLACE Subject: sent: $$1}}"), "header-checks", nil},
	{"subjects changed by way of proxymap", both(inFile("/^Subject:(.*)/ REPLACE Subject: sent: $1"), inMain("smtp_header_checks", "proxy:regexp:DIR/table")), "header-checks", nil},
	{"subjects changed on the way out", inTable("smtp_header_checks", "regexp", "/^Subject:(.*)/ REPLACE Subject: sent: $1"), "header-checks", nil},
	{"bodies changed on the way out", inTable("smtp_body_checks", "regexp", "/^Sent from my / REPLACE -- "), "body-checks", nil},
	{"bodies changed by a transport", both(inFile("/^Sent from my / IGNORE"), inService("smtp", "-o smtp_body_checks=regexp:DIR/table")), "body-checks", nil},
	{"bodies changed by a pattern in main.cf", inMain("smtp_body_checks", "regexp:{{/^x/ WARN}, {/^Sent/ IGNORE}}"), "body-checks", nil},
	{"parts changed on the way out", inTable("smtp_mime_header_checks", "regexp", "/^Content-Disposition:/ IGNORE"), "body-checks", nil},
	{"enclosed messages changed on the way out", inTable("smtp_nested_header_checks", "regexp", "/^Received:/ STRIP"), "body-checks", nil},
	{"authors changed on the way out", inTable("smtp_generic_maps", "regexp", "/^[^.]*@example\\.com$/ all.of.us@example.com"), "generic-maps", nil},
	{"authors changed by a transport", both(inFile("/^[^.]*@example\\.com$/ all.of.us@example.com"), inService("smtp", "-o smtp_generic_maps=regexp:DIR/table")), "generic-maps", nil},
	{"authors changed by an index", both(indexed("postmaster@example.com all.of.us@example.com"), inMain("smtp_generic_maps", "hash:DIR/table")), "generic-maps", nil},
	{"lines broken by a transport", inService("smtp", "-o smtp_line_length_limit=300"), "line-length", nil},
	{"8-bit mail recoded on the way out", inMain("smtp_discard_ehlo_keywords", "chunking, 8BITMIME"), "mime-conversion", nil},
	{"lines broken on the way out", inMain("smtp_line_length_limit", "400"), "line-length", nil},
	{"no milters for all", inMain("receive_override_options", "no_milters"), "no-milters", nil},
	{"no milters among others", inMain("receive_override_options", "no_address_mappings, no_milters"), "no-milters", nil},
	{"no milters for this host", inTable("smtpd_milter_maps", "cidr", "127.0.0.0/8 DISABLE"), "client-map", nil},
	{"no milters for anybody", inTable("smtpd_milter_maps", "cidr", "0.0.0.0/0 DISABLE"), "client-map", nil},
	{"another filter for this host", inTable("smtpd_milter_maps", "cidr", "127.0.0.1 inet:127.0.0.1:9998"), "client-map", nil},
	{"no milters by a pattern", inTable("smtpd_milter_maps", "regexp", "/^127\\./ DISABLE"), "client-map", nil},
	{"no milters by an index", both(indexed("127.0.0.1 DISABLE"), inMain("smtpd_milter_maps", "hash:DIR/table")), "client-map", nil},
	{"no milters by an index by way of proxymap", both(indexed("127.0.0.1 DISABLE"), inMain("smtpd_milter_maps", "proxy:hash:DIR/table")), "client-map", nil},
	{"no milters by a table in main.cf", inMain("smtpd_milter_maps", "inline:{192.0.2.4=DISABLE, {127.0.0.1 = DISABLE}}"), "client-map", nil},
	{"no milters by a table of one row in main.cf", inMain("smtpd_milter_maps", "inline:{127.0.0.1=DISABLE}"), "client-map", nil},
	{"no milters by a constant", inMain("smtpd_milter_maps", "static:DISABLE"), "client-map", nil},
	{"our signatures cut out by cleanup", both(inFile("/^DKIM-/ IGNORE"), inService("cleanup", "-o milter_header_checks=regexp:DIR/table")), "header-checks", nil},
	{"our signatures cut out by a cleanup of submission", func(s *server) {
		inFile("/^DKIM-/ IGNORE")(s)
		inMaster("cleanup_service_name=second")(s)
		s.master += s.fill("second unix n - n - 0 cleanup\n  -o milter_header_checks=regexp:DIR/table\n")
	}, "header-checks", nil},
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
	{"another port by another filter", func(s *server) {
		s.master = s.services() + s.address + ":2525 inet n - n - - smtpd\n  -o smtpd_milters=inet:127.0.0.1:9998\n"
	}, "milter-missing", nil},
	{"behind postscreen without milters", func(s *server) { s.master = s.screened("  -o smtpd_milters=\n") }, "milter-missing", nil},
	{"incoming without milters", func(s *server) {
		s.master = strings.Replace(s.services(), ":25 inet n - n - - smtpd\n", ":25 inet n - n - - smtpd\n  -o smtpd_milters=\n", 1)
	}, "milter-missing", nil},
	{"cleanup without milters", inService("cleanup", "-o non_smtpd_milters="), "milter-missing", nil},
	{"pickup with no_milters", inService("pickup", "-o receive_override_options=no_milters"), "no-milters", nil},
	{"no service of the name that MTA wants", both(loginsByName, inMaster()), "daemon-name", nil},
	{"no service of the name that MacroList wants", both(loginsByMacro, inMaster()), "daemon-name", nil},
	{"a socket outside of the chroot of cleanup", both(unix("run/s", "mode=0666"), before(func(s *server) {
		s.write("master.cf", strings.Replace(s.read("master.cf"), "cleanup unix n - n", "cleanup unix n - y", 1), 0o644)
	})), "socket-outside-chroot", nil},
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

// proxied has another program take what users send before Postfix does, here the service
// that takes it back at once.
func proxied(option string) func(*server) {
	return func(s *server) {
		inMaster("smtpd_proxy_filter=" + s.address + ":10025")(s)
		s.master += s.address + ":10025 inet n - n - - smtpd\n  -o smtpd_proxy_filter=\n" +
			"  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n  -o " + s.fill(option) + "\n"
	}
}

// screened are services of which postscreen(8) hands mail of others to smtpd.
func (s *server) screened(options string) string {
	return s.address + ":25 inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" + options + s.submission()
}

// behind has filters behind ours, of which nobody writes results in our name.
func behind(s *server) { s.option("RemoveARMethods", "spf,dmarc") }

// loginsByName signs what the service ORIGINATING takes, and nothing of hosts.
func loginsByName(s *server) {
	s.option("InternalHosts", "-")
	s.option("MTA", "ORIGINATING")
}

// loginsByMacro does that by MacroList.
func loginsByMacro(s *server) {
	s.option("InternalHosts", "-")
	s.option("MacroList", "{daemon_name}=ORIGINATING")
}

// verifies has no keys: a filter for what others send.
func verifies(s *server) {
	s.option("Mode", "v")
	s.options = slices.DeleteFunc(s.options, func(o option) bool {
		return o.name == "KeyTable" || o.name == "SigningTable" || o.name == "OversignHeaders"
	})
}

// startedWith has the filter started with its socket behind a flag or a variable, as a
// drop-in of its unit does.
func startedWith(flag, variable, host, port string) func(*server) {
	return before(func(s *server) {
		socket := s.fill("inet:" + port + "@" + host)
		s.listens = s.fill(host + ":" + port)
		text := s.read("bin/systemctl")
		if variable != "" {
			text = strings.Replace(text, "setsid ", "setsid env "+variable+socket+" ", 1)
		}
		if flag != "" {
			text = strings.Replace(text, "opendkim.conf >>", "opendkim.conf "+flag+socket+" >>", 1)
		}
		s.write("bin/systemctl", text, 0o755)
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
	{"signing by macros", both(loginsByMacro, inMaster("milter_macro_daemon_name=ORIGINATING")), "", nil},
	{"back from a content filter", func(s *server) {
		s.master = s.services() + s.address + ":10025 inet n - n - - smtpd\n  -o content_filter=\n  -o smtpd_milters=\n  -o receive_override_options=no_milters,no_header_body_checks\n"
	}, "", nil},
	{"signing before a content filter", contentFilter("receive_override_options=no_milters,no_header_body_checks"), "", nil},
	{"networks of which one is loopback", func(s *server) { s.option("InternalHosts", "192.168.0.0/16,127.0.0.0/8") }, "", nil},
	{"authors changed on the way out for whom nobody signs", inTable("smtp_generic_maps", "regexp", "/^(.*)@host\\.local$/ $1@example.net"), "", nil},
	{"bodies looked at on the way out", inTable("smtp_body_checks", "regexp", "/REPLACE|IGNORE/ WARN seen\n/^x/ DUNNO\n/^y/ REJECT no"), "", nil},
	{"fields cut out that nobody signs", inTable("smtp_header_checks", "regexp", "/^(Received|User-Agent|X-Originating-IP):/ IGNORE"), "", nil},
	{"signing behind a proxy", proxied("smtpd_milters=OURS"), "", nil},
	{"a socket that a command line sets where Postfix looks", both(startedWith("-p ", "", "127.0.0.1", "PORT"), before(func(s *server) {
		s.write("opendkim.conf", strings.Replace(s.read("opendkim.conf"), "inet:"+s.port, "inet:"+s.other, 1), 0o644)
	})), "", nil},
	{"a socket that a command line alone sets", both(startedWith("-p ", "", "127.0.0.1", "PORT"), before(func(s *server) {
		s.write("opendkim.conf", strings.Replace(s.read("opendkim.conf"), "Socket inet:"+s.port+"@127.0.0.1\n", "", 1), 0o644)
	})), "", nil},
	{"one key and no table", single, "", nil},
	{"a key of the filter's group", before(func(s *server) { s.chmod(0o640, "keys/sel.private"); s.chown("root:opendkim", "keys/sel.private") }), "", nil},
	{"a link to a key", before(func(s *server) {
		s.must(os.Rename(s.path("keys/sel.private"), s.path("keys/real")))
		s.must(os.Symlink("real", s.path("keys/sel.private")))
	}), "", nil},
	{"a record by an alias", func(s *server) {
		s.dns.Remove(record)
		s.dns.AddRR(record + ". 60 IN CNAME key.example.net.")
		s.dns.AddTXT("key.example.net", keyText())
	}, "", nil},
	{"a record with all tags", published(strings.Replace(keyText(), "v=DKIM1;", "v=DKIM1; n=ours; s=email; h=sha256:sha1; t=s;", 1)), "", nil},
	{"an international domain", func(s *server) {
		s.files["SigningTable"] += "*@bücher.example sel2\n"
		s.files["KeyTable"] += "sel2 bücher.example:sel:" + s.path("keys/sel.private") + "\n"
		s.dns.AddTXT("sel._domainkey.xn--bcher-kva.example", keyText())
		s.dns.AddTXT("_dmarc.xn--bcher-kva.example", "v=DMARC1; p=none")
		s.setting("mydestination", "xn--bcher-kva.example")
	}, "", nil},
	{"networks that are signed", both(inMain("mynetworks", "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 10.1.0.0/16"), func(s *server) { s.option("InternalHosts", "127.0.0.1,::1,10.0.0.0/8") }), "", nil},
	{"strangers' mail that does not come by the filter", both(func(s *server) { s.option("Mode", "s"); s.option("MacroList", "j") }, func(s *server) {
		s.master = strings.Replace(s.services(), ":25 inet n - n - - smtpd\n", ":25 inet n - n - - smtpd\n  -o smtpd_milters=\n", 1)
	}), "", nil},
	{"postscreen", func(s *server) { s.master = s.screened("") }, "", nil},
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
