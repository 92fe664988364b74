package doctor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
)

// Changes of a good server, made before or after its filter starts.

func before(do func(*server)) func(*server) {
	return func(s *server) { s.before = append(s.before, func() { do(s) }) }
}

func after(do func(*server)) func(*server) {
	return func(s *server) { s.after = append(s.after, func() { do(s) }) }
}

// chmod and chown change a file once the filter runs: as root it would not start with
// some.
func chmod(mode os.FileMode, name string) func(*server) {
	return after(func(s *server) { s.chmod(mode, name) })
}

func chown(to, name string) func(*server) {
	return after(func(s *server) { s.chown(to, name) })
}

func published(text string) func(*server) {
	return func(s *server) { s.dns.Remove(record); s.dns.AddTXT(record, text) }
}

func keyText() string { return testutil.KeyRecord(testutil.RSAKey()) }

// byHand is for what no command can mend, and why: the advice must say what to do, and do
// does it.
func byHand(why, advice string, do func(*server)) func(*server, finding) {
	return func(s *server, f finding) {
		s.t.Helper()
		s.t.Logf("by hand, for it is %s: %s", why, f.Advice)
		if advice = s.fill(advice); f.Remedy != "" || !strings.Contains(f.Advice, advice) {
			s.t.Errorf("the advice has no %q, or there is a command: %s", advice, f)
		}
		do(s)
	}
}

const (
	aPanel  = "a zone that is edited elsewhere"
	aChoice = "the administrator's choice"
)

// reloaded has the filter read its table of senders with another row.
func reloaded(row string) func(*server) {
	return func(s *server) {
		s.touch("SigningTable", row)
		s.type_("kill -USR1 $(cat filter.pid)")
	}
}

func answering(s *server) { s.dns.SetDefaultFault(dnstest.Fault{}) }

// publish does with DNS, which is edited elsewhere, what the advice says: the record that
// it shows, and no other.
func publish(s *server, f finding) {
	s.t.Helper()
	_, line, ok := strings.Cut(f.Advice, "the record to publish: ")
	if !ok {
		s.t.Fatalf("no record to publish: %s", f)
	}
	rr, err := dns.NewRR(line)
	s.must(err)
	s.dns.Remove(strings.TrimSuffix(rr.Header().Name, "."))
	s.dns.AddRR(line)
}

// signAndPublish types a command that makes a key: what it asks for besides is that the
// key's record is published.
func signAndPublish(s *server, f finding) {
	s.t.Helper()
	s.type_(f.Remedy)
	s.dns.AddTXT("_dmarc.example.net", "v=DMARC1; p=none")
	proctest.Until(s.t, patience, "a record to publish", func() bool {
		wrong, _ := s.examine()
		for _, w := range wrong {
			if strings.HasPrefix(w.Code, "record-") {
				publish(s, w)
				return true
			}
		}
		return false
	})
}

// listens takes the filter's port before it starts.
func listens(speak func(net.Conn)) func(*server) {
	return func(s *server) {
		s.down = true
		l, err := net.Listen("tcp4", "127.0.0.1:"+s.port)
		s.must(err)
		s.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go speak(conn)
			}
		}()
		s.foreign = l
	}
}

// restarted has the other program gone, and the filter started.
func restarted(s *server) {
	s.foreign.Close()
	s.type_("systemctl restart opendkim")
	s.awaitFilter()
}

const unfit = "v=DKIM1; k=rsa; " +
	"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDOodTgqHplO/pOI7XLvFKWHP04PClH2n2nQtbx38QoJjE58NT3AtdQ+rTTMFetONHR4YJs" +
	"hBGA27FU6LAKMt5r9UTM8ejEkEV1loGEWwYuTec2CFyeKcactn6Nj6wXMa1LklklHa9THsExVi2YFT5FeTKM7DZJs9LKBk6IWCSwzQIDAQAB"

// foreignAdvice names this process, and no child of it that is about to become another
// program.
var foreignAdvice = fmt.Sprintf("stop it (kill %d) and systemctl restart opendkim", os.Getpid())

// byFilter are faults of the filter's files, its process, and of what DNS publishes.
var byFilter = []fault{
	{"a key that is root's", chown("root:root", "keys/sel.private"), "key-unreadable", nil},
	{"a key for all to read", chmod(0o644, "keys/sel.private"), "key-unsafe", nil},
	{"a folder of keys for all to write", chmod(0o777, "keys"), "key-unsafe", nil},
	{"a key's folder closed", chmod(0o700, "keys"), "key-unreadable", nil},
	{"a table that is root's", chmod(0o600, "SigningTable"), "table-unreadable", nil},
	{"keys' table that is root's", chmod(0o640, "KeyTable"), "table-unreadable", nil},
	{"a configuration that is root's", chmod(0o600, "opendkim.conf"), "config-unreadable", nil},
	{"a key that is gone", before(func(s *server) { s.must(os.Remove(s.path("keys/sel.private"))) }), "key-missing", signAndPublish},
	{"a key that is gone without its record", before(func(s *server) {
		s.must(os.Rename(s.path("keys/sel.private"), s.path("keys/sel.txt")))
	}), "key-missing", signAndPublish},
	{"a link to a key that is gone", before(func(s *server) {
		s.must(os.Remove(s.path("keys/sel.private")))
		s.must(os.Symlink("/nowhere/sel.private", s.path("keys/sel.private")))
	}), "key-missing", signAndPublish},
	{"a key that a group of others reads", after(func(s *server) { s.chmod(0o640, "keys/sel.private"); s.chown("opendkim:mail", "keys/sel.private") }), "key-unsafe", nil},
	{"a key of no table that is root's", both(single, chown("root:root", "keys/sel.private")), "key-unreadable", nil},
	{"a key that is not there", before(func(s *server) { s.write("KeyTable", "sel example.com:sel:"+s.path("keys/sell.private")+"\n", 0o644) }), "key-missing",
		byHand(aChoice, "put the key at DIR/keys/sell.private, or correct the path: DIR/KeyTable:1", func(s *server) {
			s.write("KeyTable", s.files["KeyTable"], 0o644)
			s.type_("systemctl restart opendkim")
		})},
	{"an option misspelt", func(s *server) { s.option("MinimumKeyBit", "1024"); s.down = true }, "config", nil},
	{"an option with a colon", func(s *server) { s.option("Canonicalization:", "relaxed/simple"); s.down = true }, "config", nil},
	{"an option with an equals sign", func(s *server) {
		s.files["peers"] = "192.0.2.7\n"
		s.option("PeerList=refile:"+s.path("peers"), "")
		s.down = true
	}, "config", nil},
	{"an option misspelt that is set besides", func(s *server) { s.option("SigningTabel", "x"); s.down = true }, "config",
		byHand(aChoice, "did you mean SigningTable?", func(s *server) {
			s.write("opendkim.conf", strings.ReplaceAll(s.read("opendkim.conf"), "SigningTabel x\n", ""), 0o644)
			s.type_("systemctl restart opendkim")
		})},
	{"a socket written as Postfix does", func(s *server) { s.option("Socket", "inet:127.0.0.1:"+s.port); s.down = true }, "config", nil},
	{"a socket without its type", func(s *server) { s.option("Socket", s.port+"@127.0.0.1"); s.down = true }, "config", nil},
	{"signatures for a minute", func(s *server) { s.option("SignatureTTL", "60") }, "config", nil},
	{"signatures by SHA-1", func(s *server) { s.option("SignatureAlgorithm", "rsa-sha1") }, "config", nil},
	{"public keys of a test", func(s *server) {
		s.files["public"] = record + " " + keyText() + "\n_dmarc.example.com v=DMARC1; p=none\n"
		s.option("TestPublicKeys", s.path("public"))
	}, "config", nil},
	{"patterns in a table without refile:", func(s *server) { s.option("SigningTable", s.path("SigningTable")) }, "config", nil},
	{"quotation marks around a list", func(s *server) { s.option("ExemptDomains", `"example.net"`) }, "config", nil},
	{"the filter does not run", func(s *server) { s.down = true }, "socket-down", nil},
	{"an old socket file", both(unix("run/s", "mode=0666"), func(s *server) { s.down = true }, before(func(s *server) {
		l, err := net.Listen("unix", s.path("run/s"))
		s.must(err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	})), "socket-stale", nil},
	{"no socket file", both(unix("run/s", "mode=0666"), after(func(s *server) { s.must(os.Remove(s.path("run/s"))) })), "socket-absent", nil},
	{"a socket that Postfix may not use", unix("run/s", "mode=0600"), "socket-closed", nil},
	{"a socket in a closed folder", both(unix("closed/s", "mode=0666"), chmod(0o700, "closed")), "socket-folder", nil},
	{"another program at the port", listens(func(c net.Conn) { c.Close() }), "socket-foreign", byHand(aChoice, foreignAdvice, restarted)},
	{"a mute program at the port", listens(func(net.Conn) {}), "socket-foreign", byHand(aChoice, foreignAdvice, restarted)},
	{"a second filter", after(func(s *server) {
		conf := strings.Replace(s.read("opendkim.conf"), "Socket inet:"+s.port, "Socket inet:"+proctest.FreePort(s.t), 1)
		conf = strings.Replace(conf, s.path("run/status"), s.path("run/status2"), 1)
		good := s.read("opendkim.conf")
		s.write("opendkim.conf", conf, 0o644)
		past := time.Now().Add(-time.Hour)
		cmd := exec.Command(filtertest.Ours(s.t), "-f", "-x", s.path("opendkim.conf"))
		proctest.Start(s.t, cmd).Listens(patience, "unix", s.path("run/status2"))
		s.write("opendkim.conf", good, 0o644)
		s.must(os.Chtimes(s.path("opendkim.conf"), past, past))
	}), "second-filter", nil},
	{"a table newer than what is loaded", after(func(s *server) { s.touch("SigningTable", "*@example.com sel\n# a new line\n") }), "not-reloaded", nil},
	{"a configuration newer than what is loaded", after(func(s *server) { s.touch("opendkim.conf", s.read("opendkim.conf")+"SignatureTTL 864000\n") }), "not-reloaded", nil},
	{"a table that nobody told of", both(silent, func(s *server) { s.files["SigningTable"] = "*@example.net sel\n" },
		after(func(s *server) { s.write("SigningTable", "*@example.com sel\n", 0o644) })), "not-as-configured", nil},
	{"fields that nobody told of", both(silent, after(func(s *server) {
		s.write("opendkim.conf", strings.Replace(s.read("opendkim.conf"), "OversignHeaders From", "OversignHeaders From,To", 1), 0o644)
	})), "not-as-configured", nil},
	{"a reload that failed", after(func(s *server) {
		s.write("SigningTable", "*@example.com nothing\n", 0o644)
		s.write("opendkim.conf", s.read("opendkim.conf")+"Canonicalization none\n", 0o644)
		s.type_("kill -USR1 $(cat filter.pid)")
		proctest.Until(s.t, patience, "the reload to fail", func() bool { last := s.running().LastReload; return last != nil && !last.OK })
		s.write("SigningTable", s.files["SigningTable"], 0o644)
		s.write("opendkim.conf", lines(s.options, " "), 0o644)
	}), "reload-failed", nil},
	{"a socket that was moved", after(func(s *server) {
		port := proctest.FreePort(s.t)
		s.write("opendkim.conf", strings.Replace(s.read("opendkim.conf"), "inet:"+s.port, "inet:"+port, 1), 0o644)
		s.port = port
		s.write("main.cf", strings.Replace(s.read("main.cf"), get(s.main, "smtpd_milters"), s.ours(), 1), 0o644)
	}), "socket-down", nil},
	{"results of others behind", inMain("smtpd_milters", "OURS, OTHER"), "results-unremoved", nil},

	{"no record", func(s *server) { s.dns.Remove(record) }, "record-absent", publish},
	{"another key's record", published(unfit), "record-mismatch", publish},
	{"a key revoked", published("v=DKIM1; p="), "record-revoked", publish},
	{"two records", func(s *server) { s.dns.AddTXT(record, "v=DKIM1; k=rsa; p=AAAA") }, "record-several-records", publish},
	{"SHA-1 alone", func(s *server) { published(strings.Replace(keyText(), "v=DKIM1;", "v=DKIM1; h=sha1;", 1))(s) }, "record-hash", publish},
	{"a key being tested", func(s *server) { published(strings.Replace(keyText(), "v=DKIM1;", "v=DKIM1; t=y;", 1))(s) }, "record-testing", publish},
	{"a key for another service", func(s *server) { published(strings.Replace(keyText(), "v=DKIM1;", "v=DKIM1; s=tlsrpt;", 1))(s) }, "record-service", publish},
	{"quotation marks in the record", func(s *server) { published(`"` + keyText() + `"`)(s) }, "record-quotes", publish},
	{"a record cut off", func(s *server) { published(keyText()[:255])(s) }, "record-cut", publish},
	{"another version", func(s *server) { published(strings.Replace(keyText(), "DKIM1", "DKIM2", 1))(s) }, "record-version", publish},
	{"a name server that is silent", func(s *server) { s.dns.SetDefaultFault(dnstest.Fault{Silent: true}) }, "dns-silent", byHand(aChoice, "name another in DIR/opendkim.conf (Nameservers)", answering)},
	{"a name server that refuses", func(s *server) { s.dns.SetDefaultFault(dnstest.Fault{Rcode: dns.RcodeRefused}) }, "dns-refuses", byHand(aChoice, "name another in DIR/opendkim.conf (Nameservers)", answering)},

	{"a line of master.cf that is none", before(func(s *server) { s.write("master.cf", s.read("master.cf")+"smtpd\n", 0o644) }), "postfix-broken",
		byHand(aChoice, "postfix check", func(s *server) {
			s.write("master.cf", strings.TrimSuffix(s.read("master.cf"), "smtpd\n"), 0o644)
		})},
	{"lists of milters that name each other", inMain("smtpd_milters", "$non_smtpd_milters"), "postfix-broken",
		byHand(aChoice, "postfix check", func(s *server) {
			s.type_(s.fill("sed -i 's/^smtpd_milters = .*/smtpd_milters = OURS/' main.cf"))
		})},
	{"a domain of mydestination", inMain("mydestination", "$myhostname, localhost, example.net"), "domain-unsigned", signAndPublish},
	{"a domain of virtual_alias_domains", inMain("virtual_alias_domains", "example.net"), "domain-unsigned", signAndPublish},
	{"a domain beside one of no table", both(single, inMain("mydestination", "example.net")), "domain-unsigned", signAndPublish},
	{"a domain of a map", func(s *server) {
		s.files["domains"] = "# ours\nexample.net anything\n"
		s.setting("virtual_mailbox_domains", "texthash:"+s.path("domains"))
	}, "domain-unsigned", signAndPublish},
	{"myorigin", inMain("myorigin", "example.net"), "domain-unsigned", signAndPublish},
	{"no DMARC record", func(s *server) { s.dns.Remove("_dmarc.example.com") }, "dmarc-absent", publishDMARC},
	{"a DMARC policy that is none", dmarc("v=DMARC1; p=non"), "dmarc-invalid", publishDMARC},
	{"a DMARC record without a policy", dmarc("v=DMARC1; pct=100"), "dmarc-invalid", publishDMARC},
	{"a DMARC record in quotation marks", dmarc(`"v=DMARC1; p=none"`), "dmarc-invalid", publishDMARC},
	{"anchors from before the root's new key", func(s *server) {
		const old = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
		s.files["anchors"] = old
		s.option("TrustAnchorFile", s.path("anchors"))
	}, "anchor-missing", nil},
	{"two DMARC records", func(s *server) { s.dns.AddTXT("_dmarc.example.com", "v=DMARC1; p=reject") }, "dmarc-several", publishDMARC},
	{"strangers are ours by InternalHosts", func(s *server) { s.option("InternalHosts", "0.0.0.0/0,::/0") }, "strangers-signed", nil},
	{"strangers are ours by one of InternalHosts", func(s *server) { s.option("InternalHosts", "127.0.0.1,192.0.0.0/8") }, "strangers-signed", nil},
	{"strangers are ours by a file", func(s *server) {
		s.files["hosts"] = "127.0.0.1\n*\n"
		s.option("InternalHosts", "refile:"+s.path("hosts"))
	}, "strangers-signed", nil},
	{"strangers are ours by a macro", func(s *server) { s.option("MacroList", "j") }, "strangers-signed", nil},
	{"networks without signatures", inMain("mynetworks", "127.0.0.0/8, 10.1.0.0/16 [2001:db8::]/32"), "network-unsigned", nil},
	{"networks without signatures by a file", both(inMain("mynetworks", "127.0.0.0/8, 10.1.0.0/16, 10.2.0.0/16"), func(s *server) {
		s.files["hosts"] = "127.0.0.1\n10.2.0.0/16"
		s.option("InternalHosts", "refile:"+s.path("hosts"))
	}), "network-unsigned", nil},
	{"mail of this host passed by", func(s *server) { s.option("PeerList", "192.0.2.7,127.0.0.1") }, "local-unsigned", nil},
	{"mail of this host left out", func(s *server) { s.option("InternalHosts", "192.168.0.0/16") }, "local-unsigned", nil},
	{"mail of this host left out by a file without an end", func(s *server) {
		s.files["hosts"] = "192.168.0.0/16"
		s.option("InternalHosts", "refile:"+s.path("hosts"))
	}, "local-unsigned", nil},
	{"mail of this host left out by a file", func(s *server) {
		s.files["hosts"] = "192.168.0.0/16\n"
		s.option("InternalHosts", "refile:"+s.path("hosts"))
	}, "local-unsigned", nil},
	{"an identity that the record forbids", func(s *server) {
		published(strings.Replace(keyText(), "v=DKIM1;", "v=DKIM1; t=s;", 1))(s)
		s.files["SigningTable"] = "*@example.com sel:@mail.example.com\n"
	}, "signature-fails", nil},
	{"another domain's signature", func(s *server) {
		s.files["SigningTable"] = "*@example.com sel\n*@example.net sel\n"
	}, "not-aligned", signAndPublish},
	{"another domain's signature beside a key", func(s *server) {
		s.files["SigningTable"] = "*@example.com sel\n*@example.net sel\n"
		s.files["KeyTable"] += "net example.net:sel:" + s.path("keys/sel.private") + "\n"
		s.dns.AddTXT("sel._domainkey.example.net", keyText())
		s.dns.AddTXT("_dmarc.example.net", "v=DMARC1; p=none")
	}, "not-aligned", nil},
	{"another domain's signature by a row for all", func(s *server) {
		s.files["SigningTable"] = "*@example.* sel\n"
		s.setting("mydestination", "example.net")
		s.dns.AddTXT("_dmarc.example.net", "v=DMARC1; p=none")
	}, "not-aligned", byHand(aChoice, "give the SigningTable's row of example.net a key whose KeyTable row has example.net", func(s *server) {
		s.write("KeyTable", s.files["KeyTable"]+"net example.net:sel:"+s.path("keys/sel.private")+"\n", 0o644)
		s.dns.AddTXT("sel._domainkey.example.net", keyText())
		reloaded("*@example.net net\n*@example.* sel\n")(s)
	})},
	{"strict alignment", func(s *server) {
		s.files["SigningTable"] = "*@mail.example.com sel\n"
		dmarc("v=DMARC1; p=reject; adkim=s")(s)
	}, "not-aligned", signAndPublish},
	{"strict alignment by a row for all", func(s *server) {
		s.files["SigningTable"] = "*@*.example.com sel\n"
		dmarc("v=DMARC1; p=reject; adkim=s")(s)
	}, "not-aligned", byHand(aPanel, "take adkim=s out of the record _dmarc.example.com", func(s *server) {
		dmarc("v=DMARC1; p=reject")(s)
		s.type_("systemctl restart opendkim") // which forgets the old record
	})},
}

// single signs by one key, and not by tables.
func single(s *server) {
	s.options = slices.DeleteFunc(s.options, func(o option) bool { return strings.HasSuffix(o.name, "Table") })
	s.option("Domain", "example.com")
	s.option("Selector", "sel")
	s.option("KeyFile", s.path("keys/sel.private"))
}

// dmarc has another DMARC record.
func dmarc(text string) func(*server) {
	return func(s *server) { s.dns.Remove("_dmarc.example.com"); s.dns.AddTXT("_dmarc.example.com", text) }
}

// publishDMARC leaves the record that the advice shows.
func publishDMARC(s *server, f finding) {
	_, line, _ := strings.Cut(f.Advice, ": ")
	s.dns.Remove("_dmarc.example.com")
	s.dns.AddRR(line)
}

// silent has a filter that tells nothing of itself.
func silent(s *server) {
	for i, o := range s.options {
		if o.name == "StatusSocket" {
			s.options = append(s.options[:i:i], s.options[i+1:]...)
		}
	}
}

// touch changes a file so that its time tells: well after the filter has loaded it.
func (s *server) touch(name, text string) {
	s.t.Helper()
	time.Sleep(time.Until(s.running().Loaded.Add(100 * time.Millisecond)))
	s.write(name, text, 0o644)
}
