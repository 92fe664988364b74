package interop

import (
	"fmt"
	"strings"
)

// shape is a message but for its From field.
type shape struct {
	name   string
	header string // fields with CRLF, beside From, Date and Message-ID
	body   string
	// spacing: a field does not have one blank after its colon, which a milter
	// without SMFIP_HDR_LEADSPC cannot know of.
	spacing bool
	// unterminated: the last line has no end. SMTP cannot carry that, a file can.
	unterminated bool
}

var shapes = []shape{
	{name: "plain", header: "To: a@example.org\r\nSubject: plain\r\n", body: "Hello.\r\n"},
	{name: "no body", header: "To: a@example.org\r\nSubject: empty\r\n"},
	{name: "blank lines only", header: "Subject: blank\r\n", body: "\r\n\r\n\r\n"},
	{name: "one blank line", header: "Subject: blank\r\n", body: "\r\n"},
	{name: "blanks only", header: "Subject: blanks\r\n", body: " \t \r\n\t\r\n"},
	{name: "blank lines at the end", header: "Subject: end\r\n", body: "Hello.\r\n\r\n \r\n\r\n\r\n"},
	{name: "blanks", header: "Subject: blanks\r\n", body: "  two  \t words \t \r\n\tindented\r\nend \r\n"},
	{name: "no final line end", header: "Subject: cut\r\n", body: "one\r\ntwo", unterminated: true},
	{name: "dots", header: "Subject: dots\r\n", body: ".\r\n..\r\n.one\r\n"},
	{name: "folds", header: "To: a@example.org,\r\n\tb@example.org,\r\n   c@example.org\r\nSubject: a\r\n long\r\n  \tsubject\r\n", body: "x\r\n"},
	{name: "blanks in fields", header: "Subject: many   blanks \t here \t\r\nTo: a@example.org \r\n", body: "x\r\n"},
	{name: "repeated fields", header: "To: first@example.org\r\nCc: c@example.org\r\nTo: second@example.org\r\nSubject: one\r\nSubject: two\r\n", body: "x\r\n"},
	{name: "names in capitals", header: "SUBJECT: caps\r\nto: a@example.org\r\nMIME-VERSION: 1.0\r\ncontent-TYPE: text/plain\r\n", body: "x\r\n"},
	{name: "empty value", header: "Subject: \r\nTo: a@example.org\r\n", body: "x\r\n"},
	{name: "no blank after the colon", header: "Subject:tight\r\nTo:   wide@example.org\r\n", body: "x\r\n", spacing: true},
	{name: "nothing after the colon", header: "Subject:\r\nTo: a@example.org\r\n", body: "x\r\n", spacing: true},
	{name: "lists", header: "List-Id: <l.example.org>\r\nList-Post: <mailto:l@example.org>\r\nReferences: <1@x>\r\n <2@x>\r\nIn-Reply-To: <2@x>\r\nReply-To: l@example.org\r\nResent-From: r@example.org\r\n", body: "x\r\n"},
	{name: "eight bits in the body", header: "Subject: utf-8\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", body: "한국어 도장\r\n\xff\xfe\x80\r\n"},
	{name: "UTF-8 in fields", header: "Subject: 도장\r\nTo: \"홍길동\" <a@example.org>\r\n", body: "x\r\n"},
	{name: "long lines", header: "Subject: " + strings.Repeat("long ", 150) + "\r\n", body: strings.Repeat("x", 990) + "\r\n" + strings.Repeat("y ", 450) + "\r\n"},
	{name: "signature-like text", header: "Subject: b=1; bh=2; d=x\r\nX-Note: DKIM-Signature: v=1; b=abc\r\n", body: "DKIM-Signature: v=1; a=rsa-sha256; b=\r\n\r\nb=\r\n"},
	{name: "large", header: "Subject: large\r\n", body: strings.Repeat("The quick brown fox jumps over the lazy dog.  \r\n", 6000)},
	{name: "many fields", header: manyFields(200) + "Subject: many\r\n", body: "x\r\n"},
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Received: from h%d.example (h%d.example [192.0.2.%d])\r\n\tby mx.example; Mon, 02 Nov 2026 "+
			"00:00:00 +0000\r\n", i, i, i)
	}
	return b.String()
}

// message writes the shape as mail of a domain.
func (s *shape) message(domain string) []byte {
	return []byte("From: Some One <someone@" + domain + ">\r\n" + s.header +
		"Date: Mon, 02 Nov 2026 09:30:00 +0900\r\nMessage-ID: <1@" + domain + ">\r\n\r\n" + s.body)
}

var canonicalizations = []string{"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"}

// job is one message to be signed and verified.
type job struct {
	shape            *shape
	canonicalization string
	key              key
	raw              []byte
	oldProtocol      bool // over milter protocol 2
}

func (j *job) String() string {
	return j.key.algorithm + " " + j.key.domain + " " + j.canonicalization + " " + j.shape.name
}

// jobs are all shapes in all canonicalizations by all keys, less what skip names.
func jobs(keys []key, skip func(*job) bool) []job {
	var all []job
	for _, k := range keys {
		for _, c := range canonicalizations {
			for i := range shapes {
				s := &shapes[i]
				j := job{shape: s, canonicalization: c, key: k, raw: s.message(k.domain), oldProtocol: !s.spacing && len(all)%2 == 1}
				if !skip(&j) {
					all = append(all, j)
				}
			}
		}
	}
	return all
}

func none(*job) bool { return false }

func ed25519Job(j *job) bool { return j.key.algorithm == "ed25519-sha256" }

func simpleHeader(j *job) bool { return strings.HasPrefix(j.canonicalization, "simple/") }

// The faults and limits of the others.

// mailDKIMCannot: no Ed25519 in Debian 12's, and its simple body
// canonicalization leaves an unterminated line as it is (RFC 6376 §3.4.3).
func mailDKIMCannot(j *job) bool { return ed25519Job(j) || j.shape.unterminated }

// opendkimCannot: OpenDKIM 2.11 gives up on an unterminated line in relaxed
// body canonicalization, and does not say so.
func opendkimCannot(j *job) bool { return j.shape.unterminated }

// opendkimSignsWrongly: what OpenDKIM 2.11 signs with Ed25519 and simple header
// canonicalization nobody can verify, itself included.
func opendkimSignsWrongly(j *job) bool { return ed25519Job(j) && simpleHeader(j) }
