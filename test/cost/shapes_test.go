package cost

import (
	"fmt"
	"strings"
)

// shape makes a header of about n octets: whole fields with their line ends.
type shape struct {
	name string
	make func(n int) string
}

// many repeats a field until there are n octets of them, each with its number.
func many(field func(i int) string) func(n int) string {
	return func(n int) string {
		var b strings.Builder
		for i := 0; ; i++ {
			f := field(i)
			if b.Len()+len(f) > n {
				return b.String()
			}
			b.WriteString(f)
		}
	}
}

// one is a field whose value is filled with as many units as make n octets.
func one(begin string, unit func(i int) string, end string) func(n int) string {
	return func(n int) string {
		return begin + many(unit)(n-len(begin)-len(end)) + end
	}
}

func fixed(s string) func(int) string { return func(int) string { return s } }

// han is one of many letters that are not ASCII's: all of a name differ, which is what
// takes conversion longest.
func han(i int) string { return string(rune(0x4e00 + i*37%20000)) }

// word is the i-th of n letters such.
func word(i, n int) string {
	var b strings.Builder
	for k := range n {
		b.WriteString(han(i + k))
	}
	return b.String()
}

// longest is a name as long as one may look: 253 letters in labels of 63.
func longest(i int) string {
	return word(i, 63) + "." + word(i+63, 63) + "." + word(i+126, 63) + "." + word(i+189, 61)
}

func signature(tags string) string {
	return "DKIM-Signature: v=1; a=rsa-sha256; " + tags + "; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
}

// shapes are what a stranger may send. Whoever adds a parser of a field adds a shape of
// it here, and to parsers what reads it.
var shapes = []shape{
	// Names.
	{"d= of many letters", one("DKIM-Signature: v=1; a=rsa-sha256; s=s; bh=AA==; b=AA==; h=From; d=", han, ".example\r\n")},
	{"s= of many letters", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; bh=AA==; b=AA==; h=From; s=", han, "\r\n")},
	{"i= of many letters", one("DKIM-Signature: v=1; a=rsa-sha256; s=s; d=example.com; bh=AA==; b=AA==; h=From; i=@", han, ".example.com\r\n")},
	{"i= of a long local part", one("DKIM-Signature: v=1; a=rsa-sha256; s=s; d=example.com; bh=AA==; b=AA==; h=From; i=", fixed("=61"), "@example.com\r\n")},
	{"atps= of many letters", one("DKIM-Signature: v=1; a=rsa-sha256; s=s; d=example.com; bh=AA==; b=AA==; h=From; atpsh=none; atps=", han, "\r\n")},
	{"!cd= of many letters", one("DKIM-Signature: v=2; a=rsa-sha256; s=s; d=example.com; bh=AA==; b=AA==; h=From; !cd=", han, "\r\n")},
	{"many d= as long as may be", many(func(i int) string { return signature("s=s; d=" + longest(i)) })},
	{"many s= as long as may be", many(func(i int) string { return signature("d=example.com; s=" + longest(i)) })},
	{"many d= and i=", many(func(i int) string {
		d := word(i, 20) + ".example.com"
		return signature("s=s; d=" + d + "; i=" + word(i, 60) + "@" + word(i+7, 20) + "." + d)
	})},
	{"many d= of many labels", many(func(i int) string { return signature("s=s; d=" + strings.Repeat("a.", 120) + fmt.Sprint(i)) })},

	// Signatures.
	{"empty signatures", many(fixed("DKIM-Signature:\r\n"))},
	{"signatures of no tags", many(fixed("DKIM-Signature: x\r\n"))},
	{"signatures of one domain", many(func(i int) string { return signature(fmt.Sprintf("d=example.com; s=s%d", i)) })},
	{"signatures with one b=", many(fixed(signature("d=example.com; s=sel")))},
	{"many tags", one("DKIM-Signature: ", func(i int) string { return fmt.Sprintf("t%d=x; ", i) }, "v=1\r\n")},
	{"a tag twice", one("DKIM-Signature: ", fixed("v=1; "), "v=1\r\n")},
	{"h= of many names", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From", func(i int) string { return fmt.Sprintf(":x%d", i) }, "\r\n")},
	{"h= of one name", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From", fixed(":From"), "\r\n")},
	{"h= of empty names", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From", fixed(":"), "\r\n")},
	{"q= of many methods", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From; q=x", fixed(":x"), "\r\n")},
	{"z= of many fields", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From; z=From:a", func(i int) string { return fmt.Sprintf("|X%d:a", i) }, "\r\n")},
	{"z= of one field", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; b=AA==; h=From; z=From:a", fixed("|From:a"), "\r\n")},
	{"b= of many blanks", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; h=From; b=A", fixed(" A"), "\r\n")},
	{"folds of a signature", one("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=AA==; h=From; b=A", fixed("\r\n "), "A\r\n")},

	// Fields.
	{"empty fields", many(fixed("x:\r\n"))},
	{"fields of different names", many(func(i int) string { return fmt.Sprintf("x%d:\r\n", i) })},
	{"names that begin alike", many(func(i int) string { return strings.Repeat("x", 64) + fmt.Sprintf("%06d:\r\n", i) })},
	{"names of other letters", many(func(i int) string { return "From" + string(rune(0x80+i%64)) + ":\r\n" })},
	{"a long name", one("", fixed("x"), ":\r\n")},
	{"blanks before the colon", one("x", fixed(" "), ":\r\n")},
	{"a long value", one("Subject: ", fixed("x"), "\r\n")},
	{"blanks in a value", one("Subject: ", fixed(" \t"), "x\r\n")},
	{"folds", one("Subject:", fixed("\r\n x"), "\r\n")},
	{"carriage returns", one("Subject:", fixed("\r"), "x\r\n")},
	{"many of a field that may stand once", many(fixed("Subject: x\r\n"))},

	// Authors.
	{"From of many labels", one("From: a@", fixed("a."), "example\r\n")},
	{"From of many letters", one("From: a@", han, ".example\r\n")},
	{"From of a long local part", one("From: ", fixed("a"), "@example.com\r\n")},
	{"From of many labels in A form", one("From: a@", fixed("xn--bcher-kva."), "example\r\n")},
	{"From of as many labels as may be", fixed("From: a@" + strings.Repeat("a.", 119) + "example.com\r\n")},
	{"many authors", one("From: a@example.com", func(i int) string { return fmt.Sprintf(",a%d@example.com", i) }, "\r\n")},
	{"one author many times", one("From: a@example.com", fixed(",a@b.c"), "\r\n")},
	{"many From fields", many(fixed("From: a@b.c\r\n"))},
	{"signs of addresses", one("From: a@example.com (", fixed("@a.b"), ")\r\n")},
	{"encoded words", one("From: ", fixed("=?utf-8?q?a=40b.c?= "), "<a@example.com>\r\n")},
	{"open encoded words", one("From: ", fixed("=?utf-8?q?"), "<a@example.com>\r\n")},
	{"encoded words in encoded words", one("From: =?utf-8?q?", fixed("=3D=3Fq=3Fq=3F"), "?= <a@example.com>\r\n")},
	{"comments in comments", one("From: ", fixed("("), "a@example.com\r\n")},
	{"open comments", one("From: ", fixed("(a) ("), "a@example.com\r\n")},
	{"quotes", one("From: ", fixed(`"\"`), "<a@example.com>\r\n")},
	{"brackets", one("From: ", fixed("<"), "a@example.com\r\n")},
	{"a route", one("From: <", fixed("@a,"), ":a@example.com>\r\n")},
	{"a list's URLs", one("List-Post: ", fixed("<mailto:?x>,"), "<mailto:a@example.com>\r\n")},

	// Results.
	{"empty results", many(fixed("Authentication-Results:\r\n"))},
	{"results in our name", many(func(i int) string {
		return fmt.Sprintf("Authentication-Results: mx.example.org; dkim=pass header.d=d%d.example\r\n", i)
	})},
	{"results in long names", many(func(i int) string { return "Authentication-Results: " + longest(i) + "; dkim=pass\r\n" })},
	{"results in A-labels", many(func(i int) string {
		return "Authentication-Results: " + strings.Repeat(fmt.Sprintf("xn--bcher%d-kva.", i), 15) + "; dkim=pass\r\n"
	})},
	{"results in words of other letters", one("Authentication-Results: \\(", func(i int) string { return word(i, 20) + " (" }, "mx.example.org; dkim=pass\r\n")},
	{"results near our name", one("Authentication-Results: ", fixed("(m"), "x.example.org; dkim=pass\r\n")},
	{"methods near ours", one("Authentication-Results: mx.example.org; spf=", fixed("(d/1=k"), "\r\n")},
	{"encoded words in results", one("Authentication-Results: ", fixed("=?utf-8?q?=28m?= "), "; dkim=pass\r\n")},
	{"its own name in results", one("Authentication-Results: ", fixed("Authentication-Results:"), "x; dkim=pass\r\n")},
	{"many results", one("Authentication-Results: mx.example.com", fixed("; dkim=pass"), "\r\n")},
	{"comments in results", one("Authentication-Results: ", fixed("(a"), "mx.example.org; none\r\n")},
	{"quotes in results", one("Authentication-Results: mx.example.com; dkim=", fixed(`"\"`), "\r\n")},
	{"properties", one("Authentication-Results: mx.example.com; dkim=pass", func(i int) string { return fmt.Sprintf(" header.x%d=a", i) }, "\r\n")},

	// What some options read.
	{"vouchers", one("VBR-Info: md=example.com; mc=all; mv=a", func(i int) string { return fmt.Sprintf(":c%d.example", i) }, "\r\n")},
	{"vouchers of many letters", one("VBR-Info: md=example.com; mc=all; mv=a", func(i int) string { return ":" + word(i*60, 60) }, "\r\n")},
	{"many fields of vouchers", many(fixed("VBR-Info: md=example.com; mc=all; mv=a.example\r\n"))},
	{"canonical texts", many(fixed("X-DKIM-Canonicalized-Header: x\r\n"))},
	{"replaced", one("Subject: ", fixed("inner.example.com "), "\r\n")},
}

// bodies are what may stand below the header.
var bodies = []shape{
	{"blank lines", many(fixed("\r\n"))},
	{"blanks", many(fixed(" \t"))},
	{"blank lines with blanks", many(fixed(" \r\n"))},
	{"carriage returns", many(fixed("\r"))},
	{"line feeds", many(fixed("\n"))},
	{"one line", many(fixed("x"))},
	{"words", many(fixed("a "))},
	{"octets", many(func(i int) string { return string([]byte{byte(i)}) })},
}
