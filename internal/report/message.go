package report

import (
	"bytes"
	"fmt"
	"strings"

	"dojang/internal/plain"
	"dojang/internal/policy"
)

// dateForm is RFC 5322's, with the zone's name. Compat(opendkim 2.11).
const dateForm = "Mon, 2 Jan 2006 15:04:05 -0700 (MST)"

const maxBoundaryBytes = 70 // RFC 2046 §5.1.1

// message is a report in OpenDKIM's layout (RFC 5965, RFC 6591), lines ended by
// LF. Ours ends the header before the first part, which theirs does not, and
// gives the version of RFC 5965.
func (q *Queue) message(r *policy.FailureReport, to string) []byte {
	var b bytes.Buffer
	job, host := atom(r.JobID), atom(r.Host)
	date := q.o.Now().Format(dateForm)
	boundary := "dkimreport/" + host + "/" + job
	boundary = boundary[:min(len(boundary), maxBoundaryBytes)]
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	part := func(kind string) { fmt.Fprintf(&b, "\n--%s\nContent-Type: %s\n\n", boundary, kind) }

	field("From", q.o.From)
	field("To", to)
	if q.o.Bcc != "" {
		field("Bcc", q.o.Bcc)
	}
	field("Date", date)
	field("Subject", "DKIM failure report for "+job)
	field("MIME-Version", "1.0")
	fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=feedback-report;\n\tboundary=%q\n", boundary)
	part("text/plain")
	fmt.Fprintf(&b, "DKIM failure report for job %s on %s\n\n", job, host)
	b.WriteString("The canonicalized form of the failed message's header and body are\nattached.\n")
	part("message/feedback-report")
	q.feedback(&b, r)
	part("text/rfc822-headers")
	b.Write(r.Header)
	fmt.Fprintf(&b, "\n--%s--\n", boundary)
	return b.Bytes()
}

// feedback is the part for machines (RFC 6591 §3).
func (q *Queue) feedback(b *bytes.Buffer, r *policy.FailureReport) {
	field := func(name, value string) { fmt.Fprintf(b, "%s: %s\n", name, plain.Line(value)) }
	field("User-Agent", q.o.Software)
	field("Version", "1")
	field("Original-Envelope-Id", r.JobID)
	field("Original-Mail-From", r.Sender)
	field("Reporting-MTA", r.Host)
	field("Source-IP", r.Client)
	if r.MessageID != "" {
		field("Message-ID", strings.TrimSpace(r.MessageID))
	}
	field("Arrival-Date", r.Arrived.Format(dateForm))
	field("Reported-Domain", r.Domain)
	field("Delivery-Result", "other")
	field("Feedback-Type", "auth-failure")
	if r.Failure == "signature" {
		field("Auth-Failure", "signature ("+r.Reason+")")
	} else {
		field("Auth-Failure", r.Failure)
	}
	field("DKIM-Failure", r.Failure)
	field("DKIM-Domain", r.Domain)
	field("DKIM-Selector", r.Selector)
	field("DKIM-Identity", r.Identity)
	encoded := func(name string, text []byte) {
		name += ": "
		fmt.Fprintf(b, "%s%s\n", name, policy.FoldBase64(text, len(name), "\n    "))
	}
	if r.CanonicalHeader != nil {
		encoded("DKIM-Canonicalized-Header", r.CanonicalHeader)
	}
	if r.CanonicalBody != nil {
		encoded("DKIM-Canonicalized-Body", r.CanonicalBody)
	}
}

// atom keeps a name from outside to what a boundary may hold, and short.
func atom(s string) string {
	const maxBytes = 60
	s = strings.Map(func(c rune) rune {
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.ContainsRune("-._()", c) {
			return c
		}
		return '_'
	}, s)
	return s[:min(len(s), maxBytes)]
}
