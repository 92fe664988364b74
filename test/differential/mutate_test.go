package differential

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
	"dojang/test/faults/rig"
)

// specimen is a message, the key record of its selector, and what was done to
// them.
type specimen struct {
	number   int
	selector string
	record   string
	fields   []string // without the signature, folded with CRLF
	body     string
	// signature is the value of the DKIM-Signature field, folded with CRLF; it is
	// inserted above the others, as a signer does.
	signature string
	done      []string
}

func (s *specimen) raw() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "DKIM-Signature:%s\r\n", s.signature)
	for _, f := range s.fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n" + s.body)
	return b.Bytes()
}

func (s *specimen) did(format string, args ...any) {
	s.done = append(s.done, fmt.Sprintf(format, args...))
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// word is a few letters.
func word(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(9))
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

func words(r *rand.Rand, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = word(r)
	}
	return strings.Join(list, pick(r, " ", " ", "  ", " \t"))
}

// newSpecimen makes a message of a random shape and signs it.
func newSpecimen(t *testing.T, r *rand.Rand, number int, edKey ed25519.PrivateKey) *specimen {
	s := &specimen{number: number, selector: fmt.Sprintf("s%d", number)}
	from := "From: " + pick(r, "joe@", "Joe <joe@", "\"J. Oe\" <joe@") + rig.Domain
	if strings.Contains(from, "<") {
		from += ">"
	}
	s.fields = []string{from, "To: ann@example.org", "Subject: " + words(r, 1+r.IntN(8)), "Date: Mon, 23 Nov 2026 12:00:00 +0000"}
	for range r.IntN(4) {
		s.fields = append(s.fields, pick(r, "X-Thing: ", "Cc: ", "Received: ", "List-Id:",
			"Comments:   ")+words(r, 1+r.IntN(4))+pick(r, "", "\r\n\t"+word(r), "\r\n "+word(r), " "))
	}
	r.Shuffle(len(s.fields), func(i, j int) { s.fields[i], s.fields[j] = s.fields[j], s.fields[i] })
	for range r.IntN(12) {
		s.body += pick(r, "", words(r, 1+r.IntN(6)), " "+word(r), word(r)+" ", word(r)+"\t\t"+word(r),
			" \t", "."+word(r), strings.Repeat("x", 900)) + "\r\n"
	}
	if r.IntN(8) == 0 {
		s.body = strings.TrimSuffix(s.body, "\r\n")
	}
	s.sign(t, r, edKey)
	return s
}

func (s *specimen) sign(t *testing.T, r *rand.Rand, edKey ed25519.PrivateKey) {
	o := dkim.SignOptions{Domain: rig.Domain, Selector: s.selector, Time: time.Now().Add(-time.Minute),
		HeaderCanonicalization: pick(r, dkim.Simple, dkim.Relaxed), BodyCanonicalization: pick(r, dkim.Simple, dkim.Relaxed)}
	var key crypto.Signer = testutil.RSAKey()
	s.record = rig.Record()
	if r.IntN(3) == 0 {
		key = edKey
		s.record = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edKey.Public().(ed25519.PublicKey))
	}
	o.Key = key
	switch r.IntN(6) {
	case 0:
		o.BodyLength = new(dkim.BodyLengthAll)
	case 1:
		o.BodyLength = new(int64(r.IntN(len(s.body) + 1)))
	case 2:
		o.TTL = time.Hour
	case 3:
		o.Identity = pick(r, "@"+rig.Domain, "joe@"+rig.Domain, "@sub."+rig.Domain)
	case 4:
		o.CopyHeaders = true
	}
	message := s.raw()[bytes.IndexByte(s.raw(), '\n')+1:]
	fields, body, err := header.Parse(message)
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(o, fields, &bodies)
	if err != nil {
		t.Fatal(err)
	}
	bodies.Write(body)
	bodies.Close()
	if s.signature, err = signer.Sign(); err != nil {
		t.Fatal(err)
	}
	if _, isRSA := key.(*rsa.PrivateKey); isRSA && r.IntN(4) == 0 {
		s.record = pick(r, "p="+s.record[strings.Index(s.record, "p=")+2:], strings.Replace(s.record, "k=rsa; ", "", 1),
			s.record+";", s.record+"; t=s", "v=DKIM1;k=rsa;h=sha256;"+s.record[strings.Index(s.record, "p="):])
	}
}

// mutate changes one thing, or two.
func (s *specimen) mutate(r *rand.Rand) {
	for range 1 + r.IntN(5)/4 {
		switch r.IntN(8) {
		case 0, 1, 2:
			s.mutateSignature(r)
		case 3:
			s.mutateFields(r)
		case 4:
			s.mutateBody(r)
		case 5, 6:
			s.mutateRecord(r)
		default:
			s.done = append(s.done, "nothing")
		}
	}
}

// replaceTag gives a tag another value, or none when value is nil.
func replaceTag(list, name string, value *string) (string, bool) {
	tags := strings.Split(list, ";")
	for i, tag := range tags {
		n, _, ok := strings.Cut(tag, "=")
		if !ok || strings.TrimSpace(n) != name {
			continue
		}
		if value == nil {
			return strings.Join(append(tags[:i:i], tags[i+1:]...), ";"), true
		}
		tags[i] = n + "=" + *value
		return strings.Join(tags, ";"), true
	}
	return list, false
}

var signatureValues = map[string][]string{
	"v":  {"1", "2", "1 ", "01", "", "1.0"},
	"a":  {"rsa-sha256", "RSA-SHA256", "rsa-sha1", "ed25519-sha256", "rsa-sha512", "rsa", "", "rsa-", "dsa-sha256"},
	"c":  {"simple/simple", "relaxed/relaxed", "relaxed", "simple", "relaxed/simple", "simple/relaxed", "Relaxed/Simple", "relaxed/", "/relaxed", "nowsp", "relaxed/nowsp", ""},
	"d":  {"example.com", "EXAMPLE.com", "example.com.", "example.org", "com", "", "sub.example.com", " example.com ", "exam\r\n\tple.com"},
	"s":  {"", "x y", "S0"},
	"i":  {"@example.com", "joe@EXAMPLE.com", "@sub.example.com", "@example.org", "@notexample.com", "joe", "", "@", "=4Aoe@example.com", "joe@example.com."},
	"q":  {"dns/txt", "dns", "dns/txt:foo", "foo", "", "DNS/TXT", "foo:dns/txt", "dns/foo"},
	"l":  {"0", "1", "5", "99999999", "-1", "x", "", "000", "12345678901234567890123456789", "1 "},
	"t":  {"0", "1", "9999999999", "-1", "abc", "", "1.5", "99999999999999999999999"},
	"x":  {"1", "0", "9999999999", "-1", "abc", "", "99999999999999999999999"},
	"h":  {"From", "from:to:subject:date", "To", "", "From:", ":From", "From:From", "From : To", "From:X-Not-There", "f rom", "From:DKIM-Signature"},
	"z":  {"From:x", "", "=", "From:=41|To:=4"},
	"b":  {"", "AAAA", "!!!!", "====", "A"},
	"bh": {"", "AAAA", "!!!!", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
}

var signatureTags = []string{"v", "a", "c", "d", "s", "i", "q", "l", "t", "x", "h", "z", "b", "bh"}

func (s *specimen) mutateSignature(r *rand.Rand) {
	name := pick(r, signatureTags...)
	switch r.IntN(9) {
	case 0:
		if list, ok := replaceTag(s.signature, name, nil); ok {
			s.signature = list
			s.did("signature without %s=", name)
		}
	case 1, 2, 3:
		value := pick(r, signatureValues[name]...)
		list, ok := replaceTag(s.signature, name, &value)
		if !ok {
			list = " " + name + "=" + value + ";" + s.signature
		}
		s.signature = list
		s.did("signature with %s=%q", name, value)
	case 4:
		i := r.IntN(len(s.signature))
		for s.signature[i] == '\r' || s.signature[i] == '\n' || i > 0 && s.signature[i-1] == '\n' {
			i = r.IntN(len(s.signature)) // a fold stays one, or another field begins
		}
		c := pick(r, byte('A'), 'z', ' ', ';', '=', '0', ':', '+', '\t', '/', 0x80)
		s.did("signature: octet %d %q becomes %q", i, s.signature[i], c)
		s.signature = s.signature[:i] + string([]byte{c}) + s.signature[i+1:]
	case 5:
		s.addBlanks(r)
	case 6:
		extra := pick(r, "xx=yy", "x1=", "_a=1", "n=note", "1a=b", "=x", "a b=c", "r=y")
		s.signature = " " + extra + ";" + s.signature
		s.did("signature begins with %s", extra)
	case 7:
		end := pick(r, ";", ";;", " ", "; ", ";x", "\r\n\t", ";\r\n ")
		s.signature += end
		s.did("signature ends with %q", end)
	case 8:
		tags := strings.Split(s.signature, ";")
		r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
		s.signature = strings.Join(tags, ";")
		s.did("signature's tags in another order")
	}
}

func (s *specimen) addBlanks(r *rand.Rand) {
	i := r.IntN(len(s.signature) + 1)
	for i > 0 && i < len(s.signature) && (s.signature[i-1] == '\r' || s.signature[i] == '\n') {
		i++
	}
	blank := pick(r, " ", "\t", "\r\n ", "\r\n\t", "  ")
	s.did("signature: %q before octet %d", blank, i)
	s.signature = s.signature[:i] + blank + s.signature[i:]
}

func (s *specimen) mutateFields(r *rand.Rand) {
	i := r.IntN(len(s.fields))
	f := s.fields[i]
	name, value, _ := strings.Cut(f, ":")
	switch r.IntN(8) {
	case 0:
		if name == "From" {
			return // without an author neither says much
		}
		s.fields = append(s.fields[:i:i], s.fields[i+1:]...)
		s.did("%s removed", name)
	case 1:
		extra := pick(r, "Subject: another", "To: bob@example.org", "X-New: x", "Cc: c@example.org", "Date: now")
		at := pick(r, 0, len(s.fields))
		s.fields = append(s.fields[:at:at], append([]string{extra}, s.fields[at:]...)...)
		s.did("%q added at %d", extra, at)
	case 2:
		s.fields[i] = strings.ToUpper(name) + ":" + value
		s.did("%s in capitals", name)
	case 3:
		s.fields[i] = name + ":" + pick(r, "  ", "", "\t", " \r\n ") + strings.TrimLeft(value, " ")
		s.did("%s: blanks behind the colon", name)
	case 4:
		s.fields[i] = f + pick(r, " ", "\t", "  \t")
		s.did("%s: blanks at the end", name)
	case 5:
		if at := strings.LastIndexByte(f, ' '); at > len(name)+2 {
			s.fields[i] = f[:at] + pick(r, "\r\n ", "  ", "\t", "\r\n\t ") + f[at+1:]
			s.did("%s folded", name)
		}
	case 6:
		if name != "From" {
			at := len(name) + 1 + r.IntN(len(value)+1)
			if at > 0 && at < len(f) && f[at] != '\n' {
				s.fields[i] = f[:at] + word(r) + f[at:]
				s.did("%s: letters put in", name)
			}
		}
	case 7:
		j := r.IntN(len(s.fields))
		s.fields[i], s.fields[j] = s.fields[j], s.fields[i]
		s.did("fields %d and %d exchanged", i, j)
	}
}

func (s *specimen) mutateBody(r *rand.Rand) {
	switch r.IntN(7) {
	case 0:
		s.body += strings.Repeat("\r\n", 1+r.IntN(3))
		s.did("empty lines at the end")
	case 1:
		s.body += words(r, 2) + "\r\n"
		s.did("a line at the end")
	case 2:
		s.body = strings.Replace(s.body, "\r\n", pick(r, " \r\n", "\t\r\n", "  \r\n"), 1)
		s.did("blanks at a line's end")
	case 3:
		s.body = strings.Replace(s.body, " ", pick(r, "  ", "\t", ""), 1)
		s.did("a blank becomes others")
	case 4:
		if len(s.body) > 0 {
			i := r.IntN(len(s.body))
			if c := s.body[i]; c != '\r' && c != '\n' {
				s.body = s.body[:i] + "#" + s.body[i+1:]
				s.did("body: octet %d changed", i)
			}
		}
	case 5:
		s.body = ""
		s.did("no body")
	case 6:
		s.body = strings.TrimRight(s.body, "\r\n")
		s.did("no line end at the end of the body")
	}
}

var recordValues = map[string][]string{
	"v": {"DKIM1", "DKIM2", "dkim1", "", "DKIM1 "},
	"k": {"rsa", "RSA", "ed25519", "dsa", "", "rsa "},
	"h": {"sha256", "sha1", "sha1:sha256", "SHA256", "md5", "", "sha256:", " sha256 "},
	"s": {"email", "*", "tlsrpt", "tlsrpt:email", "", "EMAIL", "email:"},
	"t": {"y", "s", "y:s", "", "z", "S", "s:y:x"},
	"g": {"*", "joe", "", "nobody"},
	"n": {"hello", "", "=4"},
	"p": {"", "AAAA", "!!!!", "MIGf"},
}

func (s *specimen) mutateRecord(r *rand.Rand) {
	name := pick(r, "v", "k", "h", "s", "t", "g", "n", "p")
	switch r.IntN(6) {
	case 0:
		if list, ok := replaceTag(s.record, name, nil); ok {
			s.record = strings.TrimSpace(list)
			s.did("record without %s=", name)
		}
	case 1, 2:
		value := pick(r, recordValues[name]...)
		list, ok := replaceTag(s.record, name, &value)
		if !ok {
			list = s.record + "; " + name + "=" + value
		}
		s.record = list
		s.did("record with %s=%q", name, value)
	case 3:
		i := r.IntN(len(s.record))
		c := pick(r, byte('A'), 'z', ' ', ';', '=', '0', '!', '\t')
		s.did("record: octet %d %q becomes %q", i, s.record[i], c)
		s.record = s.record[:i] + string([]byte{c}) + s.record[i+1:]
	case 4:
		extra := pick(r, "; x=y", ";;", " ;", "; foo", "; p=AAAA", "; v=DKIM1", ";x-y=1", "; t=s; t=y")
		s.record += extra
		s.did("record ends with %q", extra)
	case 5:
		i := r.IntN(len(s.record) + 1)
		blank := pick(r, " ", "\t", "  ")
		s.did("record: %q before octet %d", blank, i)
		s.record = s.record[:i] + blank + s.record[i:]
	}
}
