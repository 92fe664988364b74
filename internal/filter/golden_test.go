package filter_test

import (
	"bytes"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/milter"
)

// change makes one message of another.
type change func(*milter.Message)

func from(address string) change { return field("From", address) }

// field gives a field another value.
func field(name, value string) change {
	at := regexp.MustCompile(`(?m)^` + name + `:.*$`)
	return func(m *milter.Message) { m.Raw = at.ReplaceAll(m.Raw, []byte(name+": "+value+"\r")) }
}

func without(name string) change {
	at := regexp.MustCompile(`(?m)^` + name + `:.*\n`)
	return func(m *milter.Message) { m.Raw = at.ReplaceAll(m.Raw, nil) }
}

// plus adds fields at the end of the header.
func plus(fields string) change {
	return func(m *milter.Message) {
		m.Raw = bytes.Replace(m.Raw, []byte("\r\n\r\n"), []byte("\r\n"+fields+"\r\n\r\n"), 1)
	}
}

func raw(text string) change { return func(m *milter.Message) { m.Raw = []byte(text) } }

func macro(name, value string) change { return func(m *milter.Message) { m.Macros[name] = value } }

func noMacro(name string) change { return func(m *milter.Message) { delete(m.Macros, name) } }

func client(host, addr string) change {
	return func(m *milter.Message) {
		if host != "" {
			m.Host = host
		}
		m.Addr.Addr = netip.MustParseAddr(addr)
		m.Addr.Family = milter.FamilyInet
		if m.Addr.Addr.Is6() {
			m.Addr.Family = milter.FamilyInet6
		}
	}
}

func unknownClient(host string, family byte, path string) change {
	return func(m *milter.Message) {
		m.Host = host
		m.Addr = milter.ConnAddr{Family: family, Path: path}
	}
}

func local(m *milter.Message) { client("localhost", "127.0.0.1")(m) }

func to(rcpts ...string) change { return func(m *milter.Message) { m.Rcpts = rcpts } }

func external(*milter.Message) {}

// captured are the messages of the scenarios, by the labels in the files.
func captured(file, label string) ([]change, bool) {
	if strings.HasPrefix(file, "sign-identity") {
		return []change{from(label + "@example.com"), local}, true
	}
	common := map[string][]change{
		"external unauthenticated our domain": {external}, "local": {local},
		"auth": {macro("auth_type", "PLAIN")}, "auth empty": {macro("auth_type", "")},
		"local other domain": {from("x@other.com"), local}, "external other domain": {from("x@other.com")}, "local subdomain": {from("x@sub.example.com"), local},
		"mta match": {macro("daemon_name", "MSA")}, "no daemon_name": {noMacro("daemon_name")},
		"127.0.0.1": {client("localhost", "127.0.0.1")}, "10.2.3.4": {client("", "10.2.3.4")}, "10.1.3.4": {client("", "10.1.3.4")},
		"NAME": {client("A.LAN.EXAMPLE", "192.0.2.1")}, "host": {client("host.example", "192.0.2.1")}, "bracket": {client("[192.0.2.1]", "192.0.2.1")},
		"v6": {client("[IPv6:2001:db8::1]", "2001:db8::1")}, "v6b": {client("", "2001:db8::1")}, "other host": {client("", "198.51.100.1")},
		"U": {unknownClient("mail.example.net", milter.FamilyUnknown, "")}, "L": {unknownClient("localhost", milter.FamilyLocal, "/tmp/x")},
		"no From local": {without("From"), local}, "no From external": {without("From")}, "no From": {without("From")},
		"empty From local": {from(""), local}, "unparsable From local": {from("foo bar baz"), local}, "From <> local": {from("<>"), local},
		"From no domain": {from("joe"), local}, "From empty domain": {from("joe@"), local}, "unparsable From external": {from("@@@")},
		"From unbalanced paren": {from("a (b <user@example.com>"), local}, "two From, ours first": {plus("From: Second <two@other.com>"), local},
		"two From, ours second":                {from("two@other.com"), plus("From: user@example.com"), local},
		"two mailboxes in From, ours first":    {from("user@example.com, two@other.com"), local},
		"two mailboxes in From, ours second":   {from("two@other.com, user@example.com"), local},
		"group From":                           {from("grp: user@example.com;"), local},
		"Sender ours From other":               {from("x@other.com"), plus("Sender: user@example.com"), local},
		"Resent-From":                          {from("x@other.com"), plus("Resent-From: user@example.com"), local},
		"no Date":                              {without("Date"), local},
		"no Date external":                     {without("Date")},
		"two Subject":                          {plus("Subject: again"), local},
		"two Subject ext":                      {plus("Subject: again")},
		"uppercase domain":                     {from("User@EXAMPLE.COM"), local},
		"trailing dot domain":                  {from("User@example.com."), local},
		"no headers at all":                    {raw("\r\nbody\r\n"), local},
		"no headers ext":                       {raw("\r\nbody\r\n")},
		"header field with space before colon": {plus("Foo : x"), local},
		"none":                                 {external},
		"sender ours":                          {from("x@other.com"), plus("Sender: user@example.com"), local}, "only From": {local},
		"sender other": {plus("Sender: u@other.com"), local}, "unparsable Sender": {plus("Sender: foo"), local},
		"two senders": {plus("Sender: a@other.com\r\nSender: b@example.com"), local},
		"macro ours":  {from("x@other.com"), macro("mail_addr", "user@example.com"), local}, "macro other": {macro("mail_addr", "user@other.com"), local},
		"macro bad": {macro("mail_addr", "foo"), local}, "macro missing": {noMacro("mail_addr"), local},
		"no table match": {from("x@other.com"), local}, "plain": {local},
		"small": {local}, "large": {local}, "c": {local},
	}
	special := map[string]map[string][]change{
		"decide-exempt.txt":        {"sub": {from("a@x.dom.example"), local}, "dom": {from("a@dom.example"), local}},
		"decide-internalhosts.txt": {"name": {client("a.lan.example", "192.0.2.1")}, "v6": {client("[IPv6:2001:db8::1]", "2001:db8::1")}},
		"decide-internal-dash.txt": {"v6": {client("", "2001:db8::1")}, "U": {unknownClient("localhost", milter.FamilyUnknown, "")}},
		"decide-peerlist.txt":      {"name": {client("peer.example", "1.2.3.4")}},
		"decide-dontsign.txt": {"other": {to("<other@example.net>"), local}, "sub": {to("<other@a.list.example>"), local}, "dom": {to("<a@x.example>", "<other@dom.example>"), local},
			"CASE": {to("<RCPT@EXAMPLE.NET>"), local}},
		"decide-macrolist.txt":   {"authauthen": {macro("auth_authen", "joe")}, "x=b": {macro("x", "b")}, "x=z": {macro("x", "z")}, "c at eoh": {macro("c", "1")}, "c at connect": {macro("c", "1")}},
		"sign-senderheaders.txt": {"none": {without("From"), local}},
		"key-percent.txt":        {"other": {from("a@sub.other.com"), local}},
		"sign-percent-name.txt":  {"other": {from("a@sub.other.com"), local}},
		"sign-canon.txt": {"X-Canon rel": {plus("X-Canonicalization: relaxed/relaxed"), local}, "X-Canon one": {plus("X-Canonicalization: relaxed"), local},
			"X-Canon bad": {plus("X-Canonicalization: foo/bar"), local}},
		"sign-selcanon.txt": {"sel": {plus("X-C: relaxed/relaxed"), local}, "sel1": {plus("X-C: simple"), local}, "selbad": {plus("X-C: foo/bar"), local}},
	}
	if changes, ok := special[file][label]; ok {
		return changes, true
	}
	changes, ok := common[label]
	return changes, ok
}

// tables are KeyTable and SigningTable of the scenarios that have them in files.
var tables = map[string][2]string{
	"sign-percent-name.txt":     {"example.com example.com:sel:KEYS/k2048.pem", "*@* %"},
	"sign-identity.txt":         {"k1 example.com:sel:KEYS/k2048.pem", "a@example.com k1:joe@example.com\nb@example.com k1:@sub.example.com\nc@example.com k1:x@other.com\nd@example.com k1:%\ne@example.com k1:u@%\nf@example.com k1:example.com"},
	"sign-multiple.txt":         {"k1 example.com:s1:KEYS/k2048.pem\nk2 example.com:s2:KEYS/k2048.pem\nk3 other.com:s3:KEYS/k2048.pem", "*@example.com k1\nuser@example.com k2\n* k3"},
	"sign-multiple-off.txt":     {"k1 example.com:s1:KEYS/k2048.pem\nk2 example.com:s2:KEYS/k2048.pem", "*@example.com k1\nuser@example.com k2"},
	"sign-multiple-dup.txt":     {"k1 example.com:s1:KEYS/k2048.pem", "*@example.com k1\nuser@example.com k1"},
	"sign-multiple-one-bad.txt": {"k1 example.com:s1:KEYS/k2048.pem\nk2 example.com:s2:/nonexistent", "*@example.com k1\nuser@example.com k2"},
	"sign-multiple-unknown.txt": {"k1 example.com:s1:KEYS/k2048.pem", "*@example.com k1\nuser@example.com k9"},
	"sign-senderheaders.txt":    {oneKey, oneRow},
	"sign-sendermacro.txt":      {oneKey, oneRow},
	"sign-ttl.txt":              {oneKey, oneRow},
	"sign-diag.txt":             {oneKey, oneRow},
	"sign-reports.txt":          {oneKey, oneRow},
	"sign-canon.txt":            {oneKey, oneRow},
	"sign-selcanon.txt":         {oneKey, oneRow},
	"sign-maxbytes.txt":         {oneKey, oneRow},
	"sign-software.txt":         {oneKey, oneRow},
	"sign-software-mode-s.txt":  {oneKey, oneRow},
	"sign-alwaysar-softw.txt":   {oneKey, oneRow},
	"key-unknown-name.txt":      {oneKey, "*@example.com k2"},
	"key-missing-file.txt":      {"k1 example.com:sel:/nonexistent/x.private", oneRow},
	"key-row-two-fields.txt":    {"k1 example.com:sel", oneRow},
	"key-row-one-field.txt":     {"k1 example.com", oneRow},
	"key-row-empty-domain.txt":  {"k1 :sel:KEYS/k2048.pem", oneRow},
	"key-percent.txt":           {"k1 %:sel:KEYS/k2048.pem", "*@* k1"},
}

const (
	oneKey = "k1 example.com:sel:KEYS/k2048.pem"
	oneRow = "*@example.com k1"
)

// differs says where our lines are others on purpose, and by which line of
// docs/differences.md.
var differs = map[string]struct {
	reason string
	lines  []string
}{
	"headers-weak.txt: no From local":            {"[weak-syntax]", []string{"info JOB: can't determine message sender; accepting", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: no From external":         {"[weak-syntax]", []string{"info JOB: can't determine message sender; accepting", "info JOB: mail.example.net [192.0.2.1] not internal", "info JOB: not authenticated", "debug JOB: no signature data"}},
	"headers-weak.txt: empty From local":         {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' '", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: unparsable From local":    {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' foo bar baz'", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: From <> local":            {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' <>'", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: From no domain":           {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' joe'", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: From empty domain":        {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' joe@'", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: From unbalanced paren":    {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' a (b <user@example.com>'", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: unparsable From external": {"[weak-syntax]", []string{"info JOB: can't parse From: header value ' @@@'", "info JOB: mail.example.net [192.0.2.1] not internal", "info JOB: not authenticated", "debug JOB: no signature data"}},
	"headers-weak.txt: no headers at all":        {"[weak-syntax]", []string{"info JOB: can't determine message sender; accepting", "info JOB: no signing table match for '@'", "debug JOB: no signature data"}},
	"headers-weak.txt: no headers ext":           {"[weak-syntax]", []string{"info JOB: can't determine message sender; accepting", "info JOB: mail.example.net [192.0.2.1] not internal", "info JOB: not authenticated", "debug JOB: no signature data"}},
	"sign-multiple.txt: local":                   {"[all-matches]", []string{"info JOB: DKIM-Signature field added (s=s1, d=example.com)", "info JOB: DKIM-Signature field added (s=s2, d=example.com)", "info JOB: DKIM-Signature field added (s=s3, d=other.com)"}},
	"sign-multiple-dup.txt: local":               {"[all-matches]", []string{"info JOB: DKIM-Signature field added (s=s1, d=example.com)"}},
	"nosig-quarantine.txt: none":                 {"[quarantine]", []string{"notice JOB: no signature data"}},
	"decide-macrolist.txt: authauthen":           {"[macro-names]", []string{"info JOB: DKIM-Signature field added (s=sel, d=example.com)"}},
	"decide-macrolist.txt: x=b":                  {"[macro-names]", []string{"info JOB: DKIM-Signature field added (s=sel, d=example.com)"}},
	"decide-internalhosts.txt: L":                {"[local-family]", []string{"info JOB: localhost [127.0.0.1] not internal", "info JOB: not authenticated", "debug JOB: no signature data"}},
	"sign-identity.txt: d":                       {"An identity in `SigningTable` without `@`", []string{"info JOB: DKIM-Signature field added (s=sel, d=example.com)"}},
	"sign-identity.txt: f":                       {"An identity in `SigningTable` without `@`", []string{"info JOB: DKIM-Signature field added (s=sel, d=example.com)"}},
}

// elsewhere names the case of test/oracle that shows a scenario, where real keys
// of several kinds, a name server or signed messages are needed.
var elsewhere = map[string]string{
	"dns-on-default-reject.txt":        "on-default-reject",
	"dns-on-dnserror-accept.txt":       "on-dnserror-accept",
	"dns-on-dnserror-reject.txt":       "on-dnserror-reject",
	"dns-on-internalerror-reject.txt":  "on-internalerror-reject",
	"dns-on-keynotfound-reject.txt":    "on-keynotfound-reject",
	"dns-querycache-yes.txt":           "dns",
	"dns-unprotectedkey-fail.txt":      "unprotectedkey-fail",
	"dns-unprotectedkey-neutral.txt":   "unprotectedkey-neutral",
	"dns-verify.txt":                   "dns",
	"key-512.txt":                      "key-small",
	"key-512-min0.txt":                 "key-small-minimum",
	"key-ed.txt":                       "algorithm-default-ed25519",
	"key-ed-alg.txt":                   "algorithm-ed25519",
	"key-garbage.txt":                  "key-inline-garbage",
	"key-inline-b64.txt":               "key-inline",
	"key-inline-garbage.txt":           "key-inline-garbage",
	"key-percent-path.txt":             "key-percent-path",
	"key-row-four.txt":                 "key-algorithm-field",
	"key-rsa-with-edalg.txt":           "algorithm-mismatch",
	"key-sha1.txt":                     "algorithm-sha1",
	"key-small-768.txt":                "key-small",
	"key-unsafe-group.txt":             "requiresafekeys",
	"key-unsafe-world.txt":             "requiresafekeys",
	"key-unsafe-world-notrequired.txt": "requiresafekeys",
	"logging-min.txt":                  "syslogsuccess-no",
	"logging-results-only.txt":         "syslogsuccess-no",
	"logging-success-only.txt":         "logresults-no",
	"logging-why.txt":                  "verify",
	"minimum-10.txt":                   "minimum-bytes",
	"minimum-10-.txt":                  "minimum-tail",
	"minimum-50-.txt":                  "minimum-share",
	"mustbesigned.txt":                 "mustbesigned",
	"nosig-plain.txt":                  "on-nosignature-accept",
	"on-badsignature-reject.txt":       "on-badsignature-reject",
	"on-default-accept.txt":            "on-default-accept",
	"on-default-discard.txt":           "on-default-discard",
	"on-default-quarantine.txt":        "on-default-quarantine",
	"on-default-reject.txt":            "on-default-reject",
	"on-default-tempfail.txt":          "on-default-tempfail",
	"on-dnserror-reject.txt":           "on-dnserror-reject",
	"on-internalerror-reject.txt":      "on-internalerror-reject",
	"on-keynotfound-reject.txt":        "on-keynotfound-reject",
	"on-nosignature-reject.txt":        "on-nosignature-reject",
	"on-security-reject.txt":           "on-security-reject",
	"on-signatureerror-reject.txt":     "on-signatureerror-reject",
	"quarantine-captureunknownerrors-yes-on-badsignature-quarantine-.txt":                                           "captureunknownerrors",
	"quarantine-quarantine-yes-.txt":                                                                                "quarantine",
	"quarantine-quarantine-yes-on-badsignature-quarantine-on-nosignature-quarantine-on-keynotfound-quarantine-.txt": "quarantine",
	"quarantine-quarantine-yes-on-badsignature-reject-.txt":                                                         "quarantine",
	"redirect.txt":                "redirectfailuresto",
	"sign-bodylengthdb.txt":       "bodylengthdb",
	"sign-maxheaders.txt":         "maximumheaders",
	"sign-maxheaders-default.txt": "maximumheaders",
	"sign-maxheaders0.txt":        "maximumheaders-none",
	"sign-multiple-mismatch.txt":  "multiplesignatures-both",
	"sign-removeold.txt":          "removeoldsignatures",
	"sign-with-old.txt":           "old-signatures",
	"verify-max1.txt":             "maximumsignaturestoverify",
	"verify-max1-why.txt":         "maximumsignaturestoverify",
	"verify-mixed-reject.txt":     "on-badsignature-reject",
	"verify-several.txt":          "verify-several",
	"verify-several-reject.txt":   "on-badsignature-reject",
	"verify-single.txt":           "verify",
	"verify-trust.txt":            "trustsignaturesfrom-first",
	"verify-trust-other.txt":      "trustsignaturesfrom",
}

type scenario struct {
	file, config string
	messages     []block
}

type block struct {
	label string
	lines []string
}

func readScenario(t *testing.T, path string) scenario {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{file: filepath.Base(path)}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# config: "):
			s.config += line[len("# config: "):] + "\n"
		case strings.HasPrefix(line, "# message: "):
			s.messages = append(s.messages, block{label: line[len("# message: "):]})
		case line != "" && line[0] != '#':
			b := &s.messages[len(s.messages)-1]
			b.lines = append(b.lines, line)
		}
	}
	if len(s.messages) == 0 {
		t.Fatalf("%s: no messages", path)
	}
	return s
}

// TestLogLinesAreOpenDKIMs replays what was captured from the real daemon.
func TestLogLinesAreOpenDKIMs(t *testing.T) {
	paths, err := filepath.Glob("testdata/opendkim-log/*.txt")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d captured scenarios: %v", len(paths), err)
	}
	unseen := maps.Clone(elsewhere)
	for _, path := range paths {
		s := readScenario(t, path)
		if name, ok := elsewhere[s.file]; ok {
			if _, err := os.Stat("../../test/oracle/testdata/cases/" + name + ".txtar"); err != nil {
				t.Errorf("%s is said to be shown by a case that is not there: %v", s.file, err)
			}
			delete(unseen, s.file)
			continue
		}
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			replay(t, s)
		})
	}
	for file := range unseen {
		t.Errorf("%s is in the list of scenarios shown elsewhere, and is not there", file)
	}
}

func replay(t *testing.T, s scenario) {
	files := map[string]string{}
	if tables, ok := tables[s.file]; ok {
		files["KT"], files["ST"] = tables[0]+"\n", tables[1]+"\n"
	}
	r := newRig(t, s.config, files, milter.Options{}, nil)
	for _, b := range s.messages {
		if strings.HasPrefix(b.label, "signed ") {
			continue // test/oracle has those
		}
		changes, ok := captured(s.file, b.label)
		if !ok {
			t.Errorf("%q: no such message here: add it, or name the case of test/oracle that shows the scenario", b.label)
			continue
		}
		m := outside()
		for _, c := range changes {
			c(&m)
		}
		c := r.dial(milter.ClientOptions{})
		r.send(c, m)
		c.Close()
		want := b.lines
		d, deliberate := differs[s.file+": "+b.label]
		if deliberate {
			want = d.lines
		}
		var got []string
		for _, line := range r.log.take() {
			got = append(got, strings.ReplaceAll(line, r.dir, "DIR"))
		}
		if deliberate && cmp.Equal(b.lines, got) {
			t.Errorf("%q: no longer different (%s)", b.label, d.reason)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-opendkim +ours)\n%s", b.label, diff)
		}
	}
}

func TestDifferencesOfLinesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for where, d := range differs {
		if !strings.Contains(string(doc), "- "+d.reason+" ") {
			t.Errorf("%s: %s is not in docs/differences.md", where, d.reason)
		}
	}
}
