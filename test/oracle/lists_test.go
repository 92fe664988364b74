package oracle

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

// list is an option whose value is a list, or a table: with which words one is made up,
// and what is sent to see what it matches.
type list struct {
	option string
	config string // besides the option
	words  []string
	sends  string
	table  bool // rows of a file, never a list in the configuration
	// what docs/differences.md says that we take, and opendkim does not
	differs *regexp.Regexp
}

const signs = "Mode s\nDomain example.com,other.com\nSelector sel\nKeyFile KEYS/rsa2048.pem\n"

var hostForms = regexp.MustCompile(`\[|::ffff:|:0:|DB8|\*|\.(,| |$)`)

const rows = "Mode s\nInternalHosts 0.0.0.0/1,128.0.0.0/1\n"

var fieldWords = strings.Fields("From To Subject subject SUBJECT Date Message-ID Cc Reply-To X-Nothing received *  +X-Nothing " +
	"-Subject +To -From Sub* Subject: X-*")

var hostWords = strings.Fields(`127.0.0.1 ::1 10.0.0.0/8 10.1.2.3 !10.1.2.3 10.1.0.0/16 !10.1.0.0/16 192.0.2.1 192.0.2.0/24 192.0.2.1/24 192.0.2.0/255.255.255.0 192.0.2 192.0.2.
	2001:db8::/32 2001:DB8::1 [2001:db8::1] [127.0.0.1] !2001:db8::1 2001:db8:0:0::1 ::ffff:192.0.2.1 mail.example.net .example.net MAIL.example.NET !mail.example.net example.net *.example.net
	localhost LOCALHOST localhost. mail.example.net. .net . 0.0.0.0/0 ::/0 * 192.0.2.* 10.* 127.0.0.1/32 ::1/128 10/8 127.0.0.1:25 inet:127.0.0.1`)

const hosts = "plain local\nplain\nplain addr=10.1.2.3 host=a.b.example.net\nplain addr=10.1.9.9 host=example.net\nplain " +
	"addr=10.200.1.1 host=x.example\n" +
	"plain addr=2001:db8::1 host=six.example\nplain addr=::1 host=localhost\nplain addr=192.0.2.77 host=[192.0.2.77]"

var lists = []list{
	{"InternalHosts", signs, hostWords, hosts, false, hostForms},
	{"ExternalIgnoreList", signs + "LogWhy yes\n", hostWords, hosts, false, hostForms},
	{"PeerList", signs + "InternalHosts 0.0.0.0/1,128.0.0.0/1,2000::/3\n", hostWords, hosts, false, hostForms},
	{"SignHeaders", signs, fieldWords, "many local\ntwo-subjects local", false, nil},
	{"OversignHeaders", signs + "SignHeaders *,+Message-ID,+X-Nothing,+Received\n", fieldWords, "many local\nplain local", false, regexp.MustCompile(`(?is)\*|received|subject.*subject|to.*to\b`)},
	{"OmitHeaders", signs, fieldWords, "many local\ntwo-subjects local", false, regexp.MustCompile(`(?i)\bfrom\b`)},
	{"Domain", "Mode s\nSelector sel\nKeyFile KEYS/rsa2048.pem\n", strings.Fields(`example.com EXAMPLE.com .example.com *.example.com * example.com. @example.com sub.example.com other.com *@example.com
		user@example.com xn--bcher-kva.example localhost com .com "example.com" example.net`),
		"plain local\nfrom-sub local\nfrom-deep local\nfrom-other local\nfrom-upper local", false, nil},
	{"SenderHeaders", signs, strings.Fields("From Sender from SENDER Resent-From Reply-To List-Post From: X-Nothing To *"),
		"plain local\nsender-ours local\nsender-other local\ntwo-senders local\nmany local\nfrom-other local", false, regexp.MustCompile(`List-Post`)},
	{"DontSignMailTo", signs, strings.Fields("rcpt@example.net RCPT@Example.Net *@example.net @example.net example.net .example.net <rcpt@example.net> rcpt@* * rcpt a@list.example a@LIST.example rcpt@example.net."),
		"plain local\nplain local rcpt=a@list.example\nplain local rcpt=x@example.net\nplain local rcpt=rcpt@example.net,a@list.example\nplain local rcpt=RCPT@EXAMPLE.NET", false, nil},
	{"MTA", signs + "InternalHosts 198.51.100.1\n", strings.Fields("ORIGINATING originating smtpd MTA Submission * MSA:1 SMTPD smtp*"),
		"plain macro:daemon_name=ORIGINATING\nplain macro:daemon_name=MTA\nplain\nplain macro:daemon_name=Submission\nplain no:daemon_name", false, nil},
	{"MacroList", signs + "InternalHosts 198.51.100.1\n", strings.Fields("auth_authen {auth_authen} auth_ssf=256 daemon_name=MTA daemon_name=MTA|MSA daemon_name|x c =x i=JOB * daemon_name"),
		"plain macro:daemon_name=MTA\nplain macro:daemon_name=MSA\nplain macro:auth_authen=joe\nplain macro:c=1\nplain no:i no:daemon_name", false, regexp.MustCompile(`auth_authen`)},
	{"ExemptDomains", signs, strings.Fields("example.com .example.com EXAMPLE.COM *.example.com example.com. other.com sub.example.com @example.com *@example.com * com"),
		"plain local\nfrom-sub local\nfrom-other local\nfrom-upper local", false, nil},
	{"BodyLengthDB", signs, strings.Fields("rcpt@example.net RCPT@example.NET example.net *@example.net @example.net rcpt@* * .example.net a@list.example <a@list.example>"),
		"plain local\nplain local rcpt=a@list.example\nplain local rcpt=x@example.net", false, regexp.MustCompile(`(^|[^@.])\bexample\.net|\.example\.net|@\*`)},
	{"ReplaceHeaders", signs + "ReplaceRules DIR/rules\n", strings.Fields("From Subject subject To: Sub* * X-Nothing To"), "plain local\nmany local", false, nil},
	{"MustBeSigned", "Mode v\nTestPublicKeys KEYS/public-keys\n", strings.Fields("subject Subject From: X-Nothing message-id To * Sub*"),
		"pass\nsubject-unsigned\ntwo-subjects-signed", false, nil},
	{"RemoveARFrom", "Mode v\nTestPublicKeys KEYS/public-keys\n", strings.Fields("h.ar.example .ar.example *.ar.example ar.example H.AR.EXAMPLE mx.example.org a.dom.example .dom.example dom.example * @dom.example h.ar.example."),
		"ar-h\nar-sub\nar-h-spf\nar-other-host", false, regexp.MustCompile(`(?i)(^|[^a-z])\.`)},
	{"SigningTable", rows + "KeyTable DIR/KeyTable\n", strings.Split(`*@example.com k1|example.com k1|user@example.com k1|*@*.example.com k1|*@sub.example.com k1|.example.com k1|* k1|*@* k1|@example.com k1|*@EXAMPLE.com k1|USER@example.com k1|*example.com k1|
		user@* k1|*@example.com%k1|*@example.com: k1|*@example.com	k1|*@example.com  k1  |*@example.com k1 k2|*@example.com k1,k2|*@example.com k1,|*@example.com "k1"|"*@example.com" k1|*@example.com k2|*@other.com k2|other.com k2|
		example.com %|*@example.com % |*@example.com|*@example.com K1|*@example.com k1:user@example.com|*@example.com k1:@example.com|*@example.com k1: |*@other.com k1:%@other.com|us?r@example.com k1|u[sx]er@example.com k1|user+x@example.com k1|
		(user)@example.com k1|user@example.com|k1|<user@example.com> k1|user@example.com. k1|*@example.com. k1|*@example.com k1 # why|#*@example.com k1|;*@example.com k1|*@example.com; k1|*@example.com = k1|*@example.com none|*@com k1`, "|"),
		"plain local\nfrom-sub local\nfrom-other local\nfrom-upper local\nfrom-deep local", true, nil},
	{"KeyTable", rows + "SigningTable refile:DIR/SigningTable\n", strings.Split(`k1 example.com:sel:KEYS/rsa2048.pem|k1	example.com:sel:KEYS/rsa2048.pem|k1 EXAMPLE.com:SEL:KEYS/rsa2048.pem|K1 example.com:sel:KEYS/rsa2048.pem|k1 %:sel:KEYS/rsa2048.pem|
		k1 example.com : sel : KEYS/rsa2048.pem|k1 example.com:sel:KEYS/rsa2048.pem:extra|k1 example.com:sel|k1 example.com|k1|k1 :sel:KEYS/rsa2048.pem|k1 example.com::KEYS/rsa2048.pem|k1 example.com:sel:|
		k1 example.com:sel:/nonexistent|k1 example.com.:sel:KEYS/rsa2048.pem|k1 *.example.com:sel:KEYS/rsa2048.pem|k1 example.com:sel.:KEYS/rsa2048.pem|k1 example.com:sel._domainkey:KEYS/rsa2048.pem|k1 example.com:a.b:KEYS/rsa2048.pem|
		k1 example.com,sel,KEYS/rsa2048.pem|k1 example.com;sel;KEYS/rsa2048.pem|k1 example.com sel KEYS/rsa2048.pem|"k1" example.com:sel:KEYS/rsa2048.pem|k1 "example.com:sel:KEYS/rsa2048.pem"|k1 example.com:"sel":KEYS/rsa2048.pem|k1 example.com:sel:"KEYS/rsa2048.pem"|
		k1 example.com:sel:KEYS/rsa2048.pem # why|k1: example.com:sel:KEYS/rsa2048.pem|k1=example.com:sel:KEYS/rsa2048.pem|k1 other.com:sel:KEYS/rsa2048.pem|k1 example.com:sel:KEYS|k1 example.com:sel:file:KEYS/rsa2048.pem|k1 example.com:s%l:KEYS/rsa2048.pem|
		k1 example.com:sel:KEYS/rsa2048.pem,|k1 exa_mple.com:sel:KEYS/rsa2048.pem|k1 bücher.example:sel:KEYS/rsa2048.pem|k1 @example.com:sel:KEYS/rsa2048.pem|k1 example.com:sel:KEYS/ed25519.pem|k1 example.com:sel:KEYS/rsa2048.pem |k2 example.com:sel:KEYS/rsa2048.pem`, "|"),
		"plain local\nfrom-sub local\nfrom-other local", true, regexp.MustCompile(`(?m)^"?K1`)},
}

// between are what people write between the members of a list.
var between = []string{",", ",", ", ", ",", " ", " , ", ";", "; ", ",,", "\t", ":", "|"}

// lineEnds are what ends a line of a file.
var lineEnds = []string{"\n", "\n", "\n", "\r\n", " \n", "\t\n", "\n\n", " # why\n", "\n# a line\n", " x\n", ",\n"}

// value makes a value, and the files that it names.
func (l list) value(r *rand.Rand) (value string, files map[string]string) {
	files = map[string]string{
		"rules": "user\tUSER\ntest\tTEST\n", "KeyTable": "k1 example.com:sel:KEYS/rsa2048.pem\nk2 other.com:sel:KEYS/rsa2048.pem\n", "SigningTable": "*@* k1\n",
	}
	var words []string
	for range 1 + r.IntN(4) {
		words = append(words, strings.TrimSpace(l.words[r.IntN(len(l.words))]))
	}
	if l.table || r.IntN(3) == 0 {
		end := lineEnds[r.IntN(len(lineEnds))]
		if l.table {
			end = lineEnds[r.IntN(8)]
		}
		text := strings.Join(words, end)
		if r.IntN(5) > 0 {
			text += end
		}
		switch r.IntN(12) {
		case 0:
			text = "\ufeff" + text
		case 1:
			text = "\n  " + text
		}
		files["members"] = text
		prefix := []string{"", "file:", "refile:", "refile:", "FILE:", "refile: "}[r.IntN(6)]
		if l.option == "KeyTable" {
			prefix = []string{"", "file:", "refile:"}[r.IntN(3)]
		}
		return prefix + "DIR/members", files
	}
	value = strings.Join(words, between[r.IntN(len(between))])
	switch r.IntN(16) {
	case 0:
		value = "csl:" + value
	case 1:
		value = `"` + value + `"`
	case 2:
		value += ","
	case 3:
		value += " # why"
	case 4:
		value = "," + value
	case 5:
		value = "CSL: " + value
	case 6:
		value = "{ " + value + " }"
	}
	return value, files
}

// seed is that of what is made up; ORACLE_SEED chooses another.
func seed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("ORACLE_SEED"), 10, 64); err == nil {
		return n
	}
	return 20261129
}

// decisions are what a filter does with each of the messages; what it logs is left out.
func decisions(t *testing.T, d *daemon, sends []send) (lines []string) {
	if d.Ended() {
		return []string{"exit " + d.status()}
	}
	for _, s := range sends {
		o, err := sendTo(d, s)
		lines = append(lines, s.label+": "+comparable(withoutTime(render(d.instance, &o, err, nil))))
	}
	d.log.take()
	return lines
}

// warnings are what the filter says of a configuration before it is used.
func (in *instance) warnings() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out bytes.Buffer
	cmd := in.command(ctx, "-n", "-x", filepath.Join(in.dir, "conf"))
	cmd.Stderr, cmd.WaitDelay = &out, time.Second
	_ = cmd.Run()
	text := in.general(out.String())
	return strings.TrimPrefix(text,
		"DIR/conf:3: TestPublicKeys: public keys come from it and not from DNS (warning)\n    hint: for tests only\n")
}

// asOurs puts in the place of what opendkim does what documentation says we do
// instead: an ended or crashed filter matches nothing.
func asOurs(theirs, ours []string) bool {
	if len(theirs) == 1 && strings.HasPrefix(theirs[0], "exit ") && ours[0] != theirs[0] {
		return true
	}
	for i := range theirs {
		if strings.Contains(theirs[i], "connection lost") || strings.Contains(theirs[i], "451 4.7.0 resource unavailable") &&
			strings.Contains(ours[i], "tempfail") {
			return true
		}
	}
	return false
}

// TestLists: a list that people write matches here what it does in opendkim, or it is
// told at the start.
func TestLists(t *testing.T) {
	p := ready(t)
	count := 40
	if testutil.Long() {
		count = 400
	}
	seed := seed()
	for i := range count {
		l := lists[i%len(lists)]
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		value, files := l.value(r)
		t.Run(fmt.Sprintf("%d-%s", i, l.option), func(t *testing.T) {
			t.Parallel()
			c := &testCase{name: "list", config: l.config + l.option + " " + value + "\n", files: files}
			for line := range strings.SplitSeq(l.sends, "\n") {
				s, err := c.readSend(line)
				if err != nil {
					t.Fatal(err)
				}
				c.sends = append(c.sends, s)
			}
			theirs := *c
			theirs.files = maps.Clone(files)
			// OpenDKIM does not know a byte order mark, nor blanks before a pattern.
			theirs.files["members"] = strings.TrimLeft(strings.TrimPrefix(files["members"], "\ufeff"), "\n ")
			a := newInstance(t, p, side{path: p.theirs, env: []string{"LD_PRELOAD=" + p.preload}}, &theirs, "").start(t)
			b := newInstance(t, p, side{ours: true, path: p.ours}, c, "").start(t)
			want, ours := decisions(t, a, c.sends), decisions(t, b, c.sends)
			said := b.warnings()
			diff := cmp.Diff(want, ours)
			if diff != "" && said == "" && !asOurs(want, ours) &&
				(l.differs == nil || !l.differs.MatchString(value+"\n"+files["members"])) {
				t.Errorf("%s %s\n%s(-opendkim +ours, and nothing is said)\n%s", l.option, value, files["members"], diff)
			}
			a.stop()
			b.stop()
		})
	}
}
