package explain

import (
	"bytes"
	"context"
	"encoding/base64"
	"mime/quotedprintable"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
)

func rsaRecord(t testing.TB, selector string) string {
	t.Helper()
	return testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/"+selector+".private"))
}

const edRecord = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" // RFC 8463

func vector(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// stories verifies a message and explains its signatures. records are by
// selector.
func stories(t testing.TB, message string, records map[string]string) []Signature {
	t.Helper()
	return storiesWithin(t, context.Background(), message, records)
}

func storiesWithin(t testing.TB, ctx context.Context, message string, records map[string]string) []Signature {
	t.Helper()
	fields, body, err := header.Parse([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(Evidence(time.Now()), fields, &bodies)
	bodies.Write(body)
	bodies.Close()
	for _, q := range v.Queries() {
		selector, _, _ := strings.Cut(q.Name, ".")
		a := dkim.KeyAnswer{NotFound: true}
		if text, ok := records[selector]; ok {
			a = dkim.KeyAnswer{Texts: []string{text}}
		}
		v.SetKey(q, a)
	}
	return Signatures(ctx, fields, body, v.Finish(), time.Now())
}

func goodRecords(t testing.TB) map[string]string {
	return map[string]string{"s2048": rsaRecord(t, "s2048"), "ed": edRecord}
}

func TestVectorsPass(t *testing.T) {
	for _, name := range []string{"relaxed.eml", "simple.eml", "multipart.eml", "single.eml", "ed25519.eml", "copied.eml"} {
		for _, s := range stories(t, vector(t, name), goodRecords(t)) {
			if s.Result != "pass" || len(s.Causes) > 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

// edit returns a function that replaces text, which must be there.
func edit(t *testing.T, pairs ...string) func(string) string {
	return func(m string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(m, pairs[i]) {
				t.Fatalf("the message has no %q", pairs[i])
			}
			m = strings.Replace(m, pairs[i], pairs[i+1], 1)
		}
		return m
	}
}

// splitBody applies an edit to the body alone.
func onBody(f func(string) string) func(string) string {
	return func(m string) string {
		head, body, _ := strings.Cut(m, "\r\n\r\n")
		return head + "\r\n\r\n" + f(body)
	}
}

func both(a, b func(string) string) func(string) string {
	return func(m string) string { return b(a(m)) }
}

func quoted(s string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// Every edit is named, and proved by undoing it.
func TestEditsAreNamed(t *testing.T) {
	e := func(pairs ...string) func(string) string { return edit(t, pairs...) }
	footer := func(s string) string { return s + "\r\n_____\r\nwien mailing list\r\nhttps://example.net\r\n" }
	tests := []struct {
		name, vector string
		change       func(string) string
		want         []string // codes
	}{
		{"subject tag", "relaxed.eml", e("Subject: About", "Subject: [wien] About"), []string{"subject-tag"}},
		{"subject tag behind Re", "relaxed.eml", e("Subject: About", "Subject: ***SPAM*** About"), []string{"subject-tag"}},
		{"external warning", "relaxed.eml", e("Subject: About", "Subject: EXTERNAL: About"), []string{"subject-tag"}},
		{"subject tag, simple", "simple.eml", e("Subject: About", "Subject: [wien] About"), []string{"subject-tag"}},
		{"subject tag, Ed25519", "ed25519.eml", e("Subject: About", "Subject: [wien] About"), []string{"subject-tag"}},
		{"list From", "relaxed.eml", e("From: Joe Example <joe@example.com>", "From: Joe Example via wien <wien@lists.example.net>\r\nCc: Joe Example <joe@example.com>"), []string{"from-rewritten"}},
		{"list From, Reply-To", "relaxed.eml", e("From: Joe Example <joe@example.com>", "From: \"Joe Example via wien\" <wien@lists.example.net>\r\nReply-To: joe@example.com"), []string{"from-rewritten", "field-added"}},
		{"list From kept", "relaxed.eml", e("From: Joe Example <joe@example.com>", "X-Original-From: Joe Example <joe@example.com>\r\nFrom: wien <wien@lists.example.net>"), []string{"rewritten"}},
		{"mailman", "relaxed.eml", both(onBody(footer), e("From: Joe Example <joe@example.com>", "From: Joe Example via wien <wien@lists.example.net>\r\nCc: Joe Example <joe@example.com>", "Subject: About", "Subject: [wien] About")), []string{"subject-tag", "from-rewritten", "footer"}},
		{"added, oversigned", "relaxed.eml", e("To: ann", "Reply-To: other@example.net\r\nTo: ann"), []string{"field-added"}},
		{"repeated", "relaxed.eml", e("Content-Type:", "Subject: another\r\nContent-Type:"), []string{"field-repeated"}},
		{"order", "relaxed.eml", e("X-Hop: from c\r\nX-Hop: from b\r\nX-Hop: from a", "X-Hop: from a\r\nX-Hop: from b\r\nX-Hop: from c"), []string{"order"}},
		{"order of two", "relaxed.eml", e("X-Hop: from c\r\nX-Hop: from b\r\nX-Hop: from a", "X-Hop: from a\r\nX-Hop: from c\r\nX-Hop: from b"), []string{"order"}},
		{"removed", "relaxed.eml", e("MIME-Version: 1.0\r\n", ""), []string{"field-removed"}},
		{"white space, simple", "simple.eml", e("example.org, bob", "example.org,\r\n bob"), []string{"white-space"}},
		{"name's case, simple", "simple.eml", e("Message-ID:", "Message-Id:"), []string{"white-space"}},
		{"blank in a list", "relaxed.eml", e("example.org, bob", "example.org,bob"), []string{"white-space"}},
		{"quotes in Content-Type", "relaxed.eml", e(`charset="utf-8"`, `charset=utf-8`), []string{"rewritten"}},
		{"date", "relaxed.eml", e("10:00:00 +0000", "10:00:00 GMT"), []string{"date"}},
		{"own field refolded", "simple.eml", func(m string) string {
			end := strings.Index(m, "\r\nFrom:")
			return strings.ReplaceAll(m[:end], "\r\n ", "\r\n\t") + m[end:]
		}, []string{"white-space"}},

		{"footer", "single.eml", onBody(footer), []string{"footer"}},
		{"footer, relaxed", "relaxed.eml", onBody(footer), []string{"footer"}},
		{"footer in both parts", "multipart.eml", e("line two\r\n--b1", "line two\r\n-- \r\nDisclaimer\r\n--b1", "two</p>\r\n--b1", "two</p>\r\n<hr>Disclaimer\r\n--b1"), []string{"footer", "footer"}},
		{"footer in one part", "multipart.eml", e("line two\r\n--b1", "line two\r\n-- \r\nDisclaimer\r\n--b1"), []string{"footer"}},
		{"banner", "single.eml", onBody(func(b string) string { return "CAUTION: external\r\n\r\n" + b }), []string{"banner"}},
		{"banner in a part", "multipart.eml", e("\r\n\r\n<p>Gr", "\r\n\r\n<div>CAUTION: external</div>\r\n<p>Gr"), []string{"banner"}},
		{"signature blank", "single.eml", e("-- \r\nJoe", "--\r\nJoe"), []string{"signature-blank"}},
		{"From quoting", "single.eml", onBody(e("From here", ">From here")), []string{"from-quoting"}},
		{"dots", "single.eml", e(".hidden", "..hidden"), []string{"dot-stuffing"}},
		{"line ends doubled", "relaxed.eml", onBody(func(b string) string { return strings.ReplaceAll(b, "\r\n", "\r\n\r\n") }), []string{"line-ends"}},
		{"quoted-printable", "single.eml", both(e("Transfer-Encoding: 8bit", "Transfer-Encoding: quoted-printable"), onBody(quoted)), []string{"transfer-encoding"}},
		{"quoted-printable and its field", "relaxed.eml", both(e("Transfer-Encoding: 8bit", "Transfer-Encoding: quoted-printable"), onBody(quoted)), []string{"transfer-encoding", "transfer-encoding"}},
		{"base64", "single.eml", both(e("Transfer-Encoding: 8bit", "Transfer-Encoding: base64"), onBody(func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) + "\r\n" })), []string{"transfer-encoding"}},
		{"parts to quoted-printable", "multipart.eml", e("Transfer-Encoding: 8bit", "Transfer-Encoding: quoted-printable", "Grüße", "Gr=C3=BC=C3=9Fe", "Transfer-Encoding: 8bit", "Transfer-Encoding: quoted-printable", "Grüße", "Gr=C3=BC=C3=9Fe"), []string{"transfer-encoding"}},
		{"wrapped", "single.eml", func(m string) string {
			head, body, _ := strings.Cut(m, "\r\n\r\n")
			head = strings.Replace(head, `text/plain; charset="utf-8"`, `multipart/mixed; boundary="xx"`, 1)
			return head + "\r\n\r\n--xx\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body + "--xx\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--xx--\r\n"
		}, []string{"list-wrapping"}},
		{"footer and quoted-printable", "single.eml", both(e("Transfer-Encoding: 8bit", "Transfer-Encoding: quoted-printable"), onBody(func(b string) string { return quoted(footer(b)) })), []string{"footer", "transfer-encoding"}},
		{"charset", "single.eml", onBody(func(b string) string { return strings.NewReplacer("ü", "\xfc", "ß", "\xdf").Replace(b) }), []string{"charset"}},

		{"z= compared", "copied.eml", e("Subject: About the", "Subject: Concerning the"), []string{"field-changed"}},
		{"z=, removed", "copied.eml", e("Message-ID: <1@example.com>\r\n", ""), []string{"field-removed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := testutil.ProcessorTime(t)
			for _, s := range stories(t, tt.change(vector(t, tt.vector)), goodRecords(t)) {
				var codes []string
				for _, c := range s.Causes {
					codes = append(codes, c.Code)
					if !c.Proved && c.Code != "unknown" {
						t.Errorf("not proved: %+v", c)
					}
				}
				if !slices.Equal(codes, tt.want) && !slices.Equal(sorted(codes), sorted(tt.want)) {
					t.Errorf("causes %q, want %q: %+v", codes, tt.want, s.Causes)
				}
			}
			if took := testutil.ProcessorTime(t) - start; took > 5*time.Second && !testing.Short() {
				t.Errorf("took %v", took)
			}
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func onlyCause(t *testing.T, s []Signature) Cause {
	t.Helper()
	if len(s) != 1 || len(s[0].Causes) == 0 {
		t.Fatalf("%+v", s)
	}
	return s[0].Causes[0]
}

func TestRecordOfAnotherKey(t *testing.T) {
	c := onlyCause(t, stories(t, vector(t, "relaxed.eml"), map[string]string{"s2048": rsaRecord(t, "s4096")}))
	if c.Code != "wrong-key" || !c.Proved {
		t.Errorf("%+v", c)
	}
}

func TestKeyAbsentRevokedFaulty(t *testing.T) {
	for want, records := range map[string]map[string]string{
		"absent":  {},
		"revoked": {"s2048": "v=DKIM1; k=rsa; p="},
		"hash":    {"s2048": strings.Replace(rsaRecord(t, "s2048"), "k=rsa", "h=rsa-sha256; k=rsa", 1)},
		"quotes":  {"s2048": `"` + rsaRecord(t, "s2048") + `"`},
	} {
		if c := onlyCause(t, stories(t, vector(t, "relaxed.eml"), records)); c.Code != want || c.Part != PartKey {
			t.Errorf("%s: %+v", want, c)
		}
	}
}

// Without a key z= still tells what was changed.
func TestCopiedHeaderWithoutKey(t *testing.T) {
	m := edit(t, "Subject: About the", "Subject: Concerning the")(vector(t, "copied.eml"))
	s := stories(t, m, nil)
	if len(s) != 1 || len(s[0].Causes) != 2 || s[0].Causes[1].Code != "field-changed" || s[0].Causes[1].Proved ||
		!strings.Contains(s[0].Causes[1].Text, `from "About the meeting" (z=) to "Concerning the meeting"`) {
		t.Errorf("%+v", s)
	}
}

func TestUnknownEditsAreNotGuessed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for _, name := range []string{"relaxed.eml", "ed25519.eml"} {
		m := edit(t, "Subject: About the", "Subject: Concerning the", "tomorrow", "today")(vector(t, name))
		s := storiesWithin(t, ctx, m, goodRecords(t))
		if len(s) != 1 || len(s[0].Causes) != 2 || s[0].Causes[0].Proved || s[0].Causes[1].Proved ||
			!strings.Contains(s[0].Causes[0].Text, "subject") {
			t.Errorf("%+v", s)
		}
	}
}

func TestRewrittenLinksAreTold(t *testing.T) {
	m := onBody(func(b string) string {
		return "https://nam02.safelinks.protection.outlook.com/?url=x\r\n" + strings.ReplaceAll(b, "e", "E")
	})(vector(t, "single.eml"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s := storiesWithin(t, ctx, m, goodRecords(t))
	if len(s) != 1 || len(s[0].Causes) != 2 || s[0].Causes[1].Code != "links-rewritten" {
		t.Errorf("%+v", s)
	}
}

// Whoever sends a message decides how large it is and what it looks like. Processor time
// is measured, which a busy machine does not lengthen.
func TestSearchIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	const time5, slack = 5 * time.Second, 4 * time.Second
	head, _, _ := strings.Cut(vector(t, "multipart.eml"), "\r\n\r\n")
	ed := vector(t, "ed25519.eml")
	own, _, _ := strings.Cut(ed, "\r\nFrom:")
	people := strings.Repeat("Dr. Joe Doe <joe@example.com>,\"x\" <a@b>,", 18) + "a@c"
	for name, message := range map[string]string{
		"short lines": head + "\r\n\r\n" + strings.Repeat("x\r\n", 200_000),
		"boundaries":  head + "\r\n\r\n" + strings.Repeat("--b1\r\n\r\nx\r\n", 50_000),
		"one line":    head + "\r\n\r\n" + strings.Repeat("x", 4<<20) + "\r\n",
		"tags":        head + "\r\n\r\n" + strings.Repeat("<b>x</b></body>", 100_000) + "\r\n",
		"rows":        head + "\r\n\r\n<html><body>" + strings.Repeat("<tr><td>cell</td></tr>\r\n", 80_000) + "</body></html>\r\n",
		"parts":       head + "\r\n\r\n" + strings.Repeat("--b1\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n", 20_000),
		"coded parts": head + "\r\n\r\n" + strings.Repeat("--b1\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9vCg==\r\n", 5_000) + "--b1--\r\n",
		"many fields": strings.Replace(ed, "Subject: About", strings.Repeat("Subject: [a] [b] [c] [d] Re: x\r\nX-Hop: "+strings.Repeat("a, ", 300)+"\r\n", 200)+"Subject: Xbout", 1),
		"many people": strings.Replace(vector(t, "simple.eml"), "To: ann", "To: "+people+",ann", 1),
		"signatures":  strings.Repeat(own+"\r\n", 120) + strings.Replace(ed, "Subject: About", "Subject: [x] Xbout", 1),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time5)
			defer cancel()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := testutil.ProcessorTime(t)
			storiesWithin(t, ctx, message, goodRecords(t))
			runtime.ReadMemStats(&after)
			if took := testutil.ProcessorTime(t) - start; took > time5+slack {
				t.Errorf("took %v", took)
			}
			if used := after.HeapSys - min(before.HeapSys, after.HeapSys); used > 700<<20 {
				t.Errorf("the heap grew by %d MiB", used>>20)
			}
		})
	}
}

func FuzzExplain(f *testing.F) {
	for _, name := range []string{"relaxed.eml", "simple.eml", "multipart.eml", "ed25519.eml", "copied.eml"} {
		f.Add(vector(f, name))
	}
	records := goodRecords(f)
	f.Fuzz(func(t *testing.T, message string) {
		if _, _, err := header.Parse([]byte(message)); err != nil || len(message) > 4000 {
			t.Skip()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		for _, s := range storiesWithin(t, ctx, message, records) {
			if s.Result != "pass" && s.Text == "" {
				t.Errorf("%+v", s)
			}
		}
	})
}
