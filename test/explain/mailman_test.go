package explain

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// mailmanScript has Mailman's own handlers change messages, in the order of its pipeline,
// for a list that stands in memory. Footers are the handler's with a text of ours.
const mailmanScript = `
import email, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from mailman.email.message import Message
from mailman.handlers import avoid_duplicates, cook_headers, decorate, subject_prefix
from mailman.interfaces.mailinglist import Personalization, ReplyToMunging
Message.sender = ''  # it asks the configuration how to find it; nothing here wants to know
members = SimpleNamespace(get_member=lambda address: SimpleNamespace(receive_list_copy=False))
mlist = SimpleNamespace(
    posting_address='devel@lists.example.net', bounces_address='devel-bounces@lists.example.net', owner_address='devel-owner@lists.example.net',
    request_address='devel-request@lists.example.net', fqdn_listname='devel@lists.example.net', members=members, description='Development',
    preferred_language=SimpleNamespace(charset='us-ascii', code='en'), subject_prefix='[Devel] ', post_id=7, personalize=Personalization.none,
    reply_goes_to_list=ReplyToMunging.no_munging, first_strip_reply_to=False, anonymous_list=False)
footers = {'list:member:regular:header': '', 'list:member:regular:footer': sys.argv[2].replace('\\n', '\n')}
decorate.decorate = lambda name, mlist, d=None: footers[name]
decorate.IListArchiverSet = lambda mlist: SimpleNamespace(archivers=[])
for line in sys.stdin:
    path, reader = line.rstrip('\n').split('\t')
    with open(path, 'rb') as f:
        msg = email.message_from_bytes(f.read(), Message)
    data = {'recipients': {reader, 'someone@example.net'}}
    avoid_duplicates.AvoidDuplicates().process(mlist, msg, data)
    subject_prefix.SubjectPrefix().process(mlist, msg, data)
    cook_headers.process(mlist, msg, data)
    msg['List-Id'] = 'Development <devel.lists.example.net>'
    if footers['list:member:regular:footer']:
        decorate.process(mlist, msg, {})
    with open(path + '.out', 'wb') as f:
        f.write(msg.as_bytes().replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'))
`

// mailman is what Mailman 3 makes of messages.
func mailman(t *testing.T, footer string, readers []string, messages []message) []message {
	t.Helper()
	const packages = testutil.PeersDir + "mailman/usr/lib/python3/dist-packages"
	testutil.Need(t, python)
	if _, err := os.Stat(packages + "/mailman"); err != nil {
		if testutil.PeersRequired() {
			t.Fatal(err)
		}
		t.Skip("Mailman is not there: run `make peers` to include this test")
	}
	dir := t.TempDir()
	var list strings.Builder
	for i, m := range messages {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(m.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s\t%s\n", path, readers[i])
	}
	proctest.Ask(t, list.String(), python, "-P", "-W", "ignore", "-c", mailmanScript, packages, footer)
	var out []message
	for i := range messages {
		text, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)+".out"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parse(string(text)))
	}
	return out
}

// TestMailman: mail that Mailman 3's own handlers have changed is explained.
func TestMailman(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	count := 10
	if testutil.Long() {
		count = 300
	}
	for _, footer := range []string{"", `_______________________________________________\ndevel mailing list -- devel@lists.example.net\n`} {
		var signed []message
		var readers []string
		for seed := range count {
			w := writer{rand.New(rand.NewPCG(uint64(seed), 3))}
			m := w.message()
			reader := "nobody@example.net"
			if cc := splitAddresses(m.value("Cc")); len(cc) > 0 && w.IntN(3) == 0 {
				reader = bare(cc[w.IntN(len(cc))])
			}
			names := []string{"From", "To", "Cc", "Subject", "Date", "Message-ID"}
			if footer == "" {
				names = append(names, "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
			}
			signed, readers = append(signed, sign(t, m, dkim.Relaxed, dkim.Relaxed, names...)), append(readers, reader)
		}
		var n tally
		var claims []claim
		for i, m := range mailman(t, footer, readers, signed) {
			if readers[i] != "nobody@example.net" {
				m.fields = append([]string{"Delivered-To: " + readers[i]}, m.fields...)
			}
			claims = append(claims, n.check(t, fmt.Sprintf("mailman %d", i), record, signed[i], m)...)
		}
		verify(t, record, claims)
		t.Logf("%d failures: of %d headers %d proved, %d with the field named; of %d bodies %d proved; all of it: %d",
			n.failures, n.headers, n.headersProved, n.named, n.bodies, n.bodiesProved, n.all)
		if n.failures < count/2 || n.all*10 < n.failures*6 {
			t.Error("less than 60 % is explained")
		}
	}
}

// The part of a footer's words that every reader knows stands as the message has it.
func TestFooterIsQuotedAsItStands(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	w := writer{rand.New(rand.NewPCG(1, 4))}
	m := w.message()
	m.fields, m.body = m.fields[:5], "Hello =3D\r\n"
	signed := sign(t, m, dkim.Relaxed, dkim.Simple, "From", "Subject")
	signed.body += "-- \r\n"
	s := story(t, signed, record)
	if len(s.Causes) != 1 || s.Causes[0].Code != explain.CodeFooter || s.Causes[0].Is != "-- \r\n" || !strings.Contains(s.Causes[0].Text, `"-- "`) {
		t.Errorf("%+v", s.Causes)
	}
}
