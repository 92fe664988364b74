package differential

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/testutil"
	"dojang/test/faults/rig"
)

// TestUnknownTagNames asks opendkim and us about signatures with a tag that nobody
// knows, with each octet in its name: a signature that opendkim passes, we pass.
func TestUnknownTagNames(t *testing.T) {
	peer := testutil.Need(t, "opendkim")
	names := []string{"", "x y", "x\ty", "x\r\n y", " x", "x ", "X", "_", "x-foo", "x.y.z", "x:y",
		"é", "x-é", string(bytes.Repeat([]byte("x"), 300))}
	for c := 1; c < 256; c++ {
		if c == '\r' || c == '\n' || c == '=' || c == ';' {
			continue
		}
		names = append(names, string([]byte{'x', byte(c), 'y'}))
		if c < 0x7f { // at the end opendkim takes "xb=" for "b="
			names = append(names, string([]byte{byte(c), 'x'}))
		}
	}
	list := make([]*specimen, len(names))
	for i, name := range names {
		s := &specimen{number: i, selector: fmt.Sprintf("t%d", i), record: rig.Record(),
			fields: []string{"From: joe@" + rig.Domain, "Date: Mon, 23 Nov 2026 12:00:00 +0000"}, body: "x\r\n"}
		s.signWithTag(t, name)
		s.did("tag %q", name)
		list[i] = s
	}
	theirs, ours := startPeer(t, peer), startOurs(t)
	passed := 0
	for first := 0; first < len(list); first += batch {
		part := list[first:min(first+batch, len(list))]
		publish(t, part, theirs, ours)
		for i, v := range askAll(t, part, theirs, ours) {
			if v.theirs == "pass" {
				passed++
			}
			if (v.theirs == "pass") != (v.ours == "pass") {
				t.Errorf("%s: opendkim says %q, ours %q", part[i].done[0], v.theirs, v.ours)
			}
		}
	}
	t.Logf("%d names, %d pass", len(names), passed)
	ours.Stop()
}

// signWithTag signs by hand what a Signer would not write: its field with another name in
// the place of a tag's.
func (s *specimen) signWithTag(t *testing.T, name string) {
	t.Helper()
	fields, body, err := header.Parse(s.raw()[bytes.IndexByte(s.raw(), '\n')+1:])
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{Domain: rig.Domain, Selector: s.selector,
		Time: time.Now().Add(-time.Minute), Key: testutil.RSAKey(),
		ExtraTags: [][2]string{{"placeholder", "1"}}}, fields, &bodies)
	if err != nil {
		t.Fatal(err)
	}
	bodies.Write(body)
	bodies.Close()
	value, err := signer.Sign()
	if err != nil {
		t.Fatal(err)
	}
	value = strings.Replace(value[:strings.LastIndex(value, "b=")+len("b=")], "placeholder=", name+"=", 1)
	hash := sha256.New()
	for i := range fields.Len() { // every one is signed, and both parts are simple (RFC 6376 §3.7)
		fmt.Fprintf(hash, "%s\r\n", fields.At(i).Raw)
	}
	fmt.Fprintf(hash, "%s:%s", dkim.FieldName, value)
	signature, err := testutil.RSAKey().Sign(nil, hash.Sum(nil), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	s.signature = value + base64.StdEncoding.EncodeToString(signature)
}
