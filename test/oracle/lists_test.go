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
}

// excuse is a member of lists that matches another thing here, and is not told.
type excuse struct {
	options, members string // regular expressions
	reason           string // a part of docs/differences.md
}

var excuses = []excuse{
	{"InternalHosts|ExternalIgnoreList|PeerList", `!?\[.*\](/\d+)?|!?::ffff:.*|!?2001:(db8:0:0|0db8|DB8)::1|.*[^.]\.|.*\*.*`, "Host lists take `[addr]`, IPv4-mapped and every other spelling of an address, a trailing dot, and `*` patterns."},
	{"OversignHeaders", `(?i)received|bcc|return-path|authentication-results|dkim-signature`, "A field of `OversignHeaders` is named once more than it is there, also where it is not in `SignHeaders`."},
	{"OversignHeaders", `\*`, "`*` in `OversignHeaders` stands for its default, which names nothing"},
	{"OmitHeaders", `(?i)from`, "`OmitHeaders` cannot leave From out"},
	{"SenderHeaders", `List-Post`, "`List-Post` and the other fields of RFC 2369 in `SenderHeaders`"},
	{"MacroList", `\{auth_authen\}|auth_authen`, "`MacroList` names longer than one letter are asked for in braces"},
	{"BodyLengthDB", `\.?example\.net|.*@\*`, "`BodyLengthDB` is asked for all documented forms of an address"},
	{"RemoveARFrom", `\.(ar|dom)\.example`, "`.domain` in `RemoveARFrom` matches the hosts below it"},
	{"KeyTable", `"?K1\s.*`, "capitals never matter"},
	{"KeyTable", `.* : .*`, "blanks around the colons of a KeyTable row, are skipped"},
	{"KeyTable", `.*\.pem:+(rsa-sha256)?`, "A KeyTable row may have a fourth field, the algorithm."},
	{"KeyTable", `.*ed25519\.pem`, "the algorithm is the key's"},
}

// excused is the place of the excuse for a value, -1 where there is none.
func (l list) excused(value, text string) int {
	separators := ", \t\r\n;{}\"'"
	if l.table {
		separators = "\r\n"
	}
	seen := map[string]bool{}
	for _, member := range strings.FieldsFunc(value+"\n"+text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		member = strings.TrimSpace(strings.TrimPrefix(member, "\ufeff"))
		for i, e := range excuses {
			if regexp.MustCompile("^("+e.options+")$").MatchString(l.option) &&
				regexp.MustCompile("^("+e.members+")$").MatchString(member) {
				return i
			}
		}
		if folded := strings.ToLower(member); l.option == "OversignHeaders" && seen[folded] {
			return 1 // once more, and not once more for each time that it is written
		} else {
			seen[folded] = true
		}
	}
	return -1
}

// TestExcusesAreDocumented: what is not told stands in docs/differences.md.
func TestExcusesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range excuses {
		if !strings.Contains(strings.Join(strings.Fields(string(doc)), " "), e.reason) {
			t.Errorf("%s %s: docs/differences.md does not say %q", e.options, e.members, e.reason)
		}
	}
}

const signs = "Mode s\nDomain example.com,other.com\nSelector sel\nKeyFile KEYS/rsa2048.pem\n"

const rows = "Mode s\nInternalHosts 0.0.0.0/1,128.0.0.0/1\n"

var fieldWords = strings.Fields("From To Subject subject SUBJECT Date Message-ID Cc Reply-To X-Nothing received *  +X-Nothing " +
	"-Subject +To -From Sub* Subject: X-* -* +* * -X-* S* *ject Sub?ect From;To <From> 'From' " +
	"\"From\" header.From {From} FROM:TO -from --Subject ++To -Nothing DKIM-Signature Authentication-Results Return-Path Bcc " +
	"From/To Sübject subject+ +Sub* -Sub* [A-Z]* Su.ject ^Subject$ From, List-* Resent-*")

var hostWords = strings.Fields(`127.0.0.1 ::1 10.0.0.0/8 10.1.2.3 !10.1.2.3 10.1.0.0/16 !10.1.0.0/16 192.0.2.1 192.0.2.0/24 192.0.2.1/24 192.0.2.0/255.255.255.0 192.0.2 192.0.2.
	2001:db8::/32 2001:DB8::1 [2001:db8::1] [127.0.0.1] !2001:db8::1 2001:db8:0:0::1 ::ffff:192.0.2.1 mail.example.net .example.net MAIL.example.NET !mail.example.net example.net *.example.net
	localhost LOCALHOST localhost. mail.example.net. .net . 0.0.0.0/0 ::/0 * 192.0.2.* 10.* 127.0.0.1/32 ::1/128 10/8 127.0.0.1:25 inet:127.0.0.1
	127.0.0.1/8 fe80::1%eth0 [::1]/128 [::1/128] ::1/64 10.1.2.3/255.255.255.255 010.1.2.3 10.1.2.3/032 10.1.2.3-10.1.2.9 !10.0.0.0/8 !!10.1.2.3 !.example.net 'bücher.example' $mynetworks mail.example.net/32
	0/0 10.0.0.0/33 10.0.0.0/-1 10.0.0.0/ /8 unknown - 0x7f.1 127.1 "127.0.0.1" '127.0.0.1' ::ffff:10.0.0.0/104 ::10.1.2.3 localhost.localdomain 10.1.*.* /10\./ !* !::/0 !0.0.0.0/0 127.0.0.1; <127.0.0.1> a.b.example.net .b.example.net example.net/ all any none @example.net 2001:db8:: 2001:db8::/129 2001:0db8::1 2001:db8::1/128 ::ffff:a01:203 [10.1.2.3]/32 ip4:10.1.2.3 10.1.2.3|::1`)

const hosts = "plain local\nplain\nplain addr=10.1.2.3 host=a.b.example.net\nplain addr=10.1.9.9 host=example.net\nplain " +
	"addr=10.200.1.1 host=x.example\n" +
	"plain addr=2001:db8::1 host=six.example\nplain addr=::1 host=localhost\nplain addr=192.0.2.77 host=[192.0.2.77]"

var lists = []list{
	{"InternalHosts", signs, hostWords, hosts, false},
	{"ExternalIgnoreList", signs + "LogWhy yes\n", hostWords, hosts, false},
	{"PeerList", signs + "InternalHosts 0.0.0.0/1,128.0.0.0/1,2000::/3\n", hostWords, hosts, false},
	{"SignHeaders", signs, fieldWords, "many local\ntwo-subjects local", false},
	{"OversignHeaders", signs + "SignHeaders *,+Message-ID,+X-Nothing,+Received\n", fieldWords, "many local\nplain local", false},
	{"OmitHeaders", signs, fieldWords, "many local\ntwo-subjects local", false},
	{"Domain", "Mode s\nSelector sel\nKeyFile KEYS/rsa2048.pem\n", strings.Fields(`example.com EXAMPLE.com .example.com *.example.com * example.com. @example.com sub.example.com other.com *@example.com
		user@example.com xn--bcher-kva.example localhost com .com "example.com" example.net`),
		"plain local\nfrom-sub local\nfrom-deep local\nfrom-other local\nfrom-upper local", false},
	{"SenderHeaders", signs, strings.Fields("From Sender from SENDER Resent-From Reply-To List-Post From: X-Nothing To *"),
		"plain local\nsender-ours local\nsender-other local\ntwo-senders local\nmany local\nfrom-other local", false},
	{"DontSignMailTo", signs, strings.Fields("rcpt@example.net RCPT@Example.Net *@example.net @example.net example.net .example.net <rcpt@example.net> rcpt@* * rcpt a@list.example a@LIST.example rcpt@example.net."),
		"plain local\nplain local rcpt=a@list.example\nplain local rcpt=x@example.net\nplain local rcpt=rcpt@example.net,a@list.example\nplain local rcpt=RCPT@EXAMPLE.NET", false},
	{"MTA", signs + "InternalHosts 198.51.100.1\n", strings.Fields("ORIGINATING originating smtpd MTA Submission * MSA:1 SMTPD smtp*"),
		"plain macro:daemon_name=ORIGINATING\nplain macro:daemon_name=MTA\nplain\nplain macro:daemon_name=Submission\nplain no:daemon_name", false},
	{"MacroList", signs + "InternalHosts 198.51.100.1\n", strings.Fields("auth_authen {auth_authen} auth_ssf=256 daemon_name=MTA daemon_name=MTA|MSA daemon_name|x c =x i=JOB * daemon_name"),
		"plain macro:daemon_name=MTA\nplain macro:daemon_name=MSA\nplain macro:auth_authen=joe\nplain macro:c=1\nplain no:i no:daemon_name", false},
	{"ExemptDomains", signs, strings.Fields("example.com .example.com EXAMPLE.COM *.example.com example.com. other.com sub.example.com @example.com *@example.com * com"),
		"plain local\nfrom-sub local\nfrom-other local\nfrom-upper local", false},
	{"BodyLengthDB", signs, strings.Fields("rcpt@example.net RCPT@example.NET example.net *@example.net @example.net rcpt@* * .example.net a@list.example <a@list.example>"),
		"plain local\nplain local rcpt=a@list.example\nplain local rcpt=x@example.net", false},
	{"ReplaceHeaders", signs + "ReplaceRules DIR/rules\n", strings.Fields("From Subject subject To: Sub* * X-Nothing To"), "plain local\nmany local", false},
	{"MustBeSigned", "Mode v\nTestPublicKeys KEYS/public-keys\n", strings.Fields("subject Subject From: X-Nothing message-id To * Sub*"),
		"pass\nsubject-unsigned\ntwo-subjects-signed", false},
	{"RemoveARFrom", "Mode v\nTestPublicKeys KEYS/public-keys\n", strings.Fields("h.ar.example .ar.example *.ar.example ar.example H.AR.EXAMPLE mx.example.org a.dom.example .dom.example dom.example * @dom.example h.ar.example."),
		"ar-h\nar-sub\nar-h-spf\nar-other-host", false},
	{"SigningTable", rows + "KeyTable DIR/KeyTable\n", strings.Split(`*@example.com k1|example.com k1|user@example.com k1|*@*.example.com k1|*@sub.example.com k1|.example.com k1|* k1|*@* k1|@example.com k1|*@EXAMPLE.com k1|USER@example.com k1|*example.com k1|
		user@* k1|*@example.com%k1|*@example.com: k1|*@example.com	k1|*@example.com  k1  |*@example.com k1 k2|*@example.com k1,k2|*@example.com k1,|*@example.com "k1"|"*@example.com" k1|*@example.com k2|*@other.com k2|other.com k2|
		example.com %|*@example.com % |*@example.com|*@example.com K1|*@example.com k1:user@example.com|*@example.com k1:@example.com|*@example.com k1: |*@other.com k1:%@other.com|us?r@example.com k1|u[sx]er@example.com k1|user+x@example.com k1|
		(user)@example.com k1|user@example.com|k1|<user@example.com> k1|user@example.com. k1|*@example.com. k1|*@example.com k1 # why|#*@example.com k1|;*@example.com k1|*@example.com; k1|*@example.com = k1|*@example.com none|*@com k1|*@example.com k1:|*@example.com k1:%|*@example.com k1:user|*@example.com k1:user+x@example.com|*@example.com k1:%@%|*@example.com :user@example.com|*@example.com k1:user@other.com|*@example.com k1:user@sub.example.com|*@example.com k1:user@example.com:x|*@EXAMPLE.COM. k1|
		*@bücher.example k1|*@example.com %:user@example.com|**@example.com k1|*@*example.com k1|*.example.com k1|*@.example.com k1|user@*.com k1|*user@example.com k1|use*@example.com k1|*@exam*.com k1|u*r@e*e.com k1|*@example.* k1|/@example\.com/ k1|^.*@example.com$ k1|*@example.com OK|*@example.com "k1:x@example.com"|
		*@example.com k1;|*@example.com k1,k2;|*@example.com, k1|*@example.com| k1|*@example.com => k1|*@example.com -> k1|*@example.com k3|*@example.com k 1|*@example.com k1._domainkey.example.com|'*@example.com' k1|!*@example.com k1|-|user@example.com;k1|example.com,k1|*@example.com:k1|*@example.com=k1|=|@ k1|user@ k1|. k1|% k1|%@example.com k1|user@example.com % k2`, "|"),
		"plain local\nfrom-sub local\nfrom-other local\nfrom-upper local\nfrom-deep local", true},
	{"KeyTable", rows + "SigningTable refile:DIR/SigningTable\n", strings.Split(`k1 example.com:sel:KEYS/rsa2048.pem|k1	example.com:sel:KEYS/rsa2048.pem|k1 EXAMPLE.com:SEL:KEYS/rsa2048.pem|K1 example.com:sel:KEYS/rsa2048.pem|k1 %:sel:KEYS/rsa2048.pem|
		k1 example.com : sel : KEYS/rsa2048.pem|k1 example.com:sel:KEYS/rsa2048.pem:extra|k1 example.com:sel|k1 example.com|k1|k1 :sel:KEYS/rsa2048.pem|k1 example.com::KEYS/rsa2048.pem|k1 example.com:sel:|
		k1 example.com:sel:/nonexistent|k1 example.com.:sel:KEYS/rsa2048.pem|k1 *.example.com:sel:KEYS/rsa2048.pem|k1 example.com:sel.:KEYS/rsa2048.pem|k1 example.com:sel._domainkey:KEYS/rsa2048.pem|k1 example.com:a.b:KEYS/rsa2048.pem|
		k1 example.com,sel,KEYS/rsa2048.pem|k1 example.com;sel;KEYS/rsa2048.pem|k1 example.com sel KEYS/rsa2048.pem|"k1" example.com:sel:KEYS/rsa2048.pem|k1 "example.com:sel:KEYS/rsa2048.pem"|k1 example.com:"sel":KEYS/rsa2048.pem|k1 example.com:sel:"KEYS/rsa2048.pem"|
		k1 example.com:sel:KEYS/rsa2048.pem # why|k1: example.com:sel:KEYS/rsa2048.pem|k1=example.com:sel:KEYS/rsa2048.pem|k1 other.com:sel:KEYS/rsa2048.pem|k1 example.com:sel:KEYS|k1 example.com:sel:file:KEYS/rsa2048.pem|k1 example.com:s%l:KEYS/rsa2048.pem|
		k1 example.com:sel:KEYS/rsa2048.pem,|k1 exa_mple.com:sel:KEYS/rsa2048.pem|k1 bücher.example:sel:KEYS/rsa2048.pem|k1 @example.com:sel:KEYS/rsa2048.pem|k1 example.com:sel:KEYS/ed25519.pem|k1 example.com:sel:KEYS/rsa2048.pem |k2 example.com:sel:KEYS/rsa2048.pem|k1 %.:sel:KEYS/rsa2048.pem|k1 mail.%:sel:KEYS/rsa2048.pem|k1 %:%:KEYS/rsa2048.pem|k1 %:sel:KEYS/%.pem|k1 %%:sel:KEYS/rsa2048.pem|k1 example.com:%:KEYS/rsa2048.pem|k1 ::KEYS/rsa2048.pem|k1 example..com:sel:KEYS/rsa2048.pem|k1 .example.com:sel:KEYS/rsa2048.pem|
		k1 com:sel:KEYS/rsa2048.pem|k1 192.0.2.1:sel:KEYS/rsa2048.pem|k1 [192.0.2.1]:sel:KEYS/rsa2048.pem|k1 example.com:-sel-:KEYS/rsa2048.pem|k1 example.com:sel..a:KEYS/rsa2048.pem|k1 example.com:.sel:KEYS/rsa2048.pem|k1 example.com:s_l:KEYS/rsa2048.pem|k1 example.com:sél:KEYS/rsa2048.pem|k1 example.com:sel;x:KEYS/rsa2048.pem|k1 example.com:s=l:KEYS/rsa2048.pem|
		k1 user@example.com:sel:KEYS/rsa2048.pem|k1 http://example.com:sel:KEYS/rsa2048.pem|k1 example.com:sel:KEYS/public-keys|k1 example.com:sel:KEYS/none.pem|k1 example.com:sel:rsa2048.pem|k1 example.com:sel:~/rsa2048.pem|k1 example.com:sel:'KEYS/rsa2048.pem'|k1 example.com:sel:KEYS/rsa2048.pem;|k1 example.com:sel:KEYS/rsa2048.pem:rsa-sha256|k1 example.com:sel:KEYS/rsa2048.pem:rsa-sha1|k1 example.com:sel:KEYS/rsa2048.pem:|k1 example.com:sel:KEYS/rsa2048.pem::|
		k1 exa mple.com:sel:KEYS/rsa2048.pem|k1 xn--bcher-kva.example:sel:KEYS/rsa2048.pem|k1 example.com:sel:/KEYS/rsa2048.pem|k1 example.com/sel:KEYS/rsa2048.pem|k1 example.com:sel=KEYS/rsa2048.pem|k1 example.com:KEYS/rsa2048.pem|k1 sel:example.com:KEYS/rsa2048.pem|k1 example.com:KEYS/rsa2048.pem:sel|k1,example.com,sel,KEYS/rsa2048.pem|k1:example.com:sel:KEYS/rsa2048.pem|example.com:sel:KEYS/rsa2048.pem|k1	 	example.com:sel:KEYS/rsa2048.pem`, "|"),
		"plain local\nfrom-sub local\nfrom-other local", true},
}

// between are what people write between the members of a list.
var between = []string{",", ",", ", ", ",", " ", " , ", ";", "; ", ",,", "\t", ":", "|",
	"/", " and ", "\n\t", " \\\n", "&", "+", ",\t", "، "}

// lineEnds are what ends a line of a file.
var lineEnds = []string{"\n", "\n", "\n", "\r\n", " \n", "\t\n", "\n\n", " # why\n", "\n# a line\n",
	" x\n", ",\n", ";\n", "\r", "\v\n", "\\\n", "\n// why\n", "\n; why\n"}

// value makes value i, and the files that it names.
func (l list) value(r *rand.Rand, i int) (value string, files map[string]string) {
	files = map[string]string{
		"rules": "user\tUSER\ntest\tTEST\n", "KeyTable": "k1 example.com:sel:KEYS/rsa2048.pem\nk2 other.com:sel:KEYS/rsa2048.pem\n", "SigningTable": "*@* k1\n",
	}
	var words []string
	for range 1 + i%2 + r.IntN(3) {
		words = append(words, strings.TrimSpace(l.words[r.IntN(len(l.words))]))
	}
	if l.table || r.IntN(3) == 0 {
		end := lineEnds[r.IntN(len(lineEnds))]
		if l.table {
			end = lineEnds[r.IntN(len(lineEnds))]
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
		prefix := []string{"", "file:", "refile:", "refile:", "FILE:", "refile: ",
			"refile://", "file: ", "hash:", "regexp:", "texthash:", "csl:", "refile:/"}[r.IntN(13)]
		if l.option == "KeyTable" {
			prefix = []string{"", "file:", "refile:"}[r.IntN(3)]
		}
		return prefix + "DIR/members", files
	}
	value = strings.Join(words, between[i%len(between)])
	switch r.IntN(22) {
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
	case 7:
		value = "= " + value
	case 8:
		value = "'" + value + "'"
	case 9:
		value = "[" + value + "]"
	case 10:
		value += "\r"
	case 11:
		value = "csl:" + strings.ReplaceAll(value, ",", " , ") + ","
	case 12:
		value = "list:" + value
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
		value, files := l.value(r, i)
		t.Run(fmt.Sprintf("%d-%s", i, l.option), func(t *testing.T) { l.compare(t, p, value, files) })
	}
}

// TestMembers is TestLists with one member at a time, so that nothing that is told of
// another can excuse it: all of them, in each place where a list may stand.
func TestMembers(t *testing.T) {
	p := ready(t)
	type member struct {
		list
		value, text string
	}
	var members []member
	for _, l := range lists {
		for _, word := range l.words {
			word = strings.TrimSpace(word)
			if !l.table && !strings.ContainsRune(word, ',') {
				members = append(members, member{l, word, ""})
			}
			members = append(members, member{l, "file:DIR/members", word + "\n"}, member{l, "refile:DIR/members", word + "\n"})
		}
	}
	r := rand.New(rand.NewPCG(seed(), 1))
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	if !testutil.Long() {
		members = members[:10]
	}
	// Two that match, with each wrong separator; the seeded part has one or two a list.
	wrong := []string{" ", ";", " ; ", "\t", "|", "; ", "  "}
	for i, l := range lists {
		for j, separator := range wrong {
			if !l.table && (testutil.Long() || (i+j)%4 == 0) {
				members = append(members, member{l, l.words[0] + separator + l.words[1], ""})
			}
		}
	}
	for i, m := range members {
		t.Run(fmt.Sprintf("%d-%s", i, m.option), func(t *testing.T) {
			m.compare(t, p, m.value, map[string]string{"members": m.text, "rules": "user\tUSER\n",
				"KeyTable": "k1 example.com:sel:KEYS/rsa2048.pem\nk2 other.com:sel:KEYS/rsa2048.pem\n", "SigningTable": "*@* k1\n"})
		})
	}
}

// compare fails where the two filters do not do the same with a list, and that is not told.
func (l list) compare(t *testing.T, p *programs, value string, files map[string]string) {
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
	a := newInstance(t, p, p.opendkim(), &theirs, "").start(t)
	b := newInstance(t, p, p.dojang(), c, "").start(t)
	defer a.stop()
	defer b.stop()
	want, ours := decisions(t, a, c.sends), decisions(t, b, c.sends)
	said := b.warnings()
	diff := cmp.Diff(want, ours)
	if diff != "" && !tells(said, l.option, value+"\n"+files["members"]) && !asOurs(want, ours) && l.excused(value, files["members"]) < 0 {
		t.Errorf("%s %s\n%s(-opendkim +ours, and nothing is said)\n%s\nsaid: %s", l.option, value, files["members"], diff, said)
	}
}

// tells reports whether a problem is told of that option, which shows a part of the value and what to type.
func tells(said, option, value string) bool {
	for _, p := range strings.Split("\n"+said, "\nDIR/")[1:] {
		text, hint, hinted := strings.Cut(p, "\n    hint: ")
		_, text, of := strings.Cut(text, ": "+option+": ")
		if !of || !hinted || hint == "" {
			continue
		}
		for _, m := range regexp.MustCompile(`"((?:[^"\\]|\\.)+)"`).FindAllStringSubmatch(text, -1) {
			shown, err := strconv.Unquote(m[0])
			if err == nil && strings.Contains(value, shown) {
				return true
			}
		}
	}
	return false
}
