package rehearse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/taglist"
)

// signature is a DKIM-Signature that a filter adds, by its tags.
type signature map[string]string

func signaturesOf(d *decision) (all []signature) {
	for _, value := range d.added(dkim.FieldName) {
		tags := signature{}
		list, err := taglist.Parse([]byte(value))
		if err != nil {
			tags["?"] = value
		}
		for _, t := range list.Tags() {
			tags[t.Name] = strings.Join(strings.Fields(string(t.Value)), "")
		}
		for _, name := range []string{"d", "s", "a", "c", "h"} {
			tags[name] = strings.ToLower(tags[name])
		}
		if tags["i"] == "" {
			tags["i"] = "@" + tags["d"]
		}
		all = append(all, tags)
	}
	return all
}

func (s signature) signer() string {
	return fmt.Sprintf("d=%s s=%s a=%s", s["d"], s["s"], s["a"])
}

func signers(all []signature) string {
	var words []string
	for _, s := range all {
		words = append(words, s.signer())
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// reasons are the events that tell why a message is not signed, the most telling first.
var reasons = []string{
	"key_error", "unknown_key", "key_undecodable", "signing_table_error", "signing_failed", "not_senders", "external_host", "dont_sign_mail_to",
	"dataset_error", "exempted", "too_much_header", "required_headers", "no_signing_table_match", "no_signing_domain", "no_signing_subdomain",
	"not_internal", "not_authenticated", "no_mta_match", "no_macros_match", "no_sender", "unparsable_sender",
}

// signatures compares who signs, and what the signatures of one signer say.
func (c *comparison) signatures() {
	old, own := signaturesOf(c.old), signaturesOf(c.own)
	switch {
	case len(old) > 0 && len(own) == 0:
		cause := "dojang has nothing to say of it"
		for _, name := range reasons {
			if text := c.said(name); text != "" {
				cause = "dojang says: " + text
				break
			}
		}
		c.differ(KindSigned, signers(old), "", cause)
		return
	case len(old) == 0 && len(own) > 0:
		c.differ(KindSigned, "", signers(own), "the old filter does not say why not: its log has the reason, with LogWhy yes")
		return
	}
	var rest []signature // of the old filter's
	for _, s := range old {
		i := slices.IndexFunc(own, func(o signature) bool { return o.signer() == s.signer() })
		if i < 0 {
			rest = append(rest, s)
			continue
		}
		c.tags(s, own[i])
		own = slices.Delete(own, i, i+1)
	}
	if len(rest) > 0 || len(own) > 0 {
		c.differ(KindSigner, signers(rest), signers(own), causeOfSigner(rest, own))
	}
}

// causeOfSigner names the options that decide about what differs.
func causeOfSigner(old, own []signature) string {
	if len(old) != len(own) || len(old) == 0 {
		return "one filter makes more signatures: SigningTable, MultipleSignatures, KeyTable"
	}
	for _, tag := range []struct{ name, options string }{
		{"d", "d= comes from KeyTable and SigningTable, or Domain"},
		{"s", "s= comes from KeyTable, or Selector"},
		{"a", "a= comes from the key's kind and SignatureAlgorithm"},
	} {
		if old[0][tag.name] != own[0][tag.name] {
			return tag.options
		}
	}
	return "SigningTable and KeyTable"
}

// optionsOf name what decides about a tag.
var optionsOf = map[string]string{
	"c": "Canonicalization", "i": "IdentityHeader, SenderHeaders, and the key's row of SigningTable", "l": "BodyLengthDB, MaximumSignedBytes and BodyLengths",
	"q": "the protocol", "z": "Diagnostics", "x": "SignatureTTL", "r": "RequestReports", "v": "the protocol", "t": "the protocol",
	"?": "the syntax of the field",
}

// tags compares two signatures of one signer.
func (c *comparison) tags(old, own signature) {
	for _, name := range []string{"v", "c", "i", "l", "q", "r", "?"} {
		if a, b := old.value(name), own.value(name); a != b {
			c.differ(KindTag, name+"="+a, name+"="+b, name+"= comes from "+optionsOf[name])
		}
	}
	for _, name := range []string{"t", "z"} {
		if (old[name] == "") != (own[name] == "") {
			c.differ(KindTag, name+"="+old[name], name+"="+own[name], name+"= comes from "+optionsOf[name])
		}
	}
	if a, b := old.lifetime(), own.lifetime(); a != b {
		c.differ(KindTag, "x=t+"+a, "x=t+"+b, "x= comes from "+optionsOf["x"])
	}
	if old["h"] != own["h"] {
		c.headers(strings.Split(old["h"], ":"), strings.Split(own["h"], ":"))
	}
	if c.seen.early || c.seen.skipped || old["c"] != own["c"] || old["l"] != own["l"] {
		return
	}
	if old["bh"] != own["bh"] {
		c.differ(KindBodyHash, old["bh"], own["bh"], "the filters hash the body differently")
	}
}

// value is a tag's value, with its default.
func (s signature) value(name string) string {
	if v := s[name]; v != "" {
		return v
	}
	return map[string]string{"c": "simple/simple", "q": "dns/txt"}[name]
}

// lifetime is how many seconds after t= a signature ends, "" when it does not.
func (s signature) lifetime() string {
	end, err1 := strconv.ParseInt(s["x"], 10, 64)
	begin, err2 := strconv.ParseInt(s["t"], 10, 64)
	if err1 != nil || err2 != nil {
		return s["x"]
	}
	return strconv.FormatInt(end-begin, 10)
}

// headers compares which fields are signed.
func (c *comparison) headers(old, own []string) {
	onlyOld, onlyOwn := without(old, own), without(own, old)
	cause := "the order in which they are named; both sign the same"
	inMessage := func(name string) int {
		n := 0
		for _, f := range c.seen.fields {
			if strings.EqualFold(f, name) {
				n++
			}
		}
		return n
	}
	for _, name := range append(onlyOld, onlyOwn...) {
		more := max(count(old, name), count(own, name))
		if more > inMessage(name) {
			cause = name + " is signed once more than it is there by one of them: OversignHeaders"
			continue
		}
		cause = name + " is signed by one of them: SignHeaders and OmitHeaders"
		break
	}
	c.differ(KindHeaders, "h="+strings.Join(old, ":"), "h="+strings.Join(own, ":"), cause)
}

func count(list []string, s string) (n int) {
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// without is what list has more of than other.
func without(list, other []string) (rest []string) {
	left := slices.Clone(other)
	for _, s := range list {
		if i := slices.Index(left, s); i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		rest = append(rest, s)
	}
	return rest
}
