package event

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// The way to the decision, told when LogWhy is set.

// NotInternal: the client is not in InternalHosts.
func NotInternal(host, addr string) Event {
	return info("not_internal", fmt.Sprintf("%s [%s] not internal", cut(host), addr),
		slog.String("client", cut(host)), slog.String("addr", addr))
}

// NotAuthenticated: the MTA sent no {auth_type}.
func NotAuthenticated() Event { return info("not_authenticated", "not authenticated") }

// NoMTAMatch: {daemon_name} is not in MTA.
func NoMTAMatch(host, mta string) Event {
	return info("no_mta_match", fmt.Sprintf("no MTA name match (host=%s, MTA=%s)", cut(host), cut(mta)),
		slog.String("client", cut(host)), slog.String("mta", cut(mta)))
}

// NoMacrosMatch: no macro of MacroList is set to a wanted value.
func NoMacrosMatch() Event { return info("no_macros_match", "no macros match") }

// NoSigningDomain: the author's domain is not in Domain.
func NoSigningDomain(domain string) Event {
	return info("no_signing_domain", fmt.Sprintf("no signing domain match for '%s'", cut(domain)), slog.String("domain", cut(domain)))
}

// NoSigningSubdomain: with SubDomains set, no domain above the author's is either.
func NoSigningSubdomain(domain string) Event {
	return info("no_signing_subdomain", fmt.Sprintf("no signing subdomain match for '%s'", cut(domain)), slog.String("domain", cut(domain)))
}

// NoSigningTableMatch: SigningTable has no row for the author.
func NoSigningTableMatch(user, domain string) Event {
	return info("no_signing_table_match", fmt.Sprintf("no signing table match for '%s@%s'", cut(user), cut(domain)),
		slog.String("author", cut(user)+"@"+cut(domain)))
}

// The decision's outcome.

// ExternalHost: a client that may not sign sent mail as one of our domains.
func ExternalHost(host, domain string) Event {
	return notice("external_host", fmt.Sprintf("external host %s attempted to send as %s", cut(host), cut(domain)),
		slog.String("client", cut(host)), slog.String("domain", cut(domain)))
}

// Exempted: the author's domain is in ExemptDomains.
func Exempted(domain string) Event {
	return info("exempted", fmt.Sprintf("domain '%s' exempted, accepting", cut(domain)), slog.String("domain", cut(domain)))
}

// SkippingRecipient: a recipient is in DontSignMailTo.
func SkippingRecipient(recipient string) Event {
	return info("dont_sign_mail_to", fmt.Sprintf("skipping signing of mail to '%s'", cut(recipient)), slog.String("rcpt", cut(recipient)))
}

// BodyLengthMatched: a recipient is in BodyLengthDB.
func BodyLengthMatched(recipient string) Event {
	return info("body_length", fmt.Sprintf("BodyLengthDB matched %s, signing with l= requested", cut(recipient)),
		slog.String("rcpt", cut(recipient)))
}

// NoSender: no field of SenderHeaders is there.
func NoSender() Event {
	return info("no_sender", "can't determine message sender; accepting")
}

// UnparsableSender: a sender field names nobody.
func UnparsableSender(field, value string) Event {
	return info("unparsable_sender", fmt.Sprintf("can't parse %s: header value '%s'", field, cut(value)),
		slog.String("field", field), slog.String("value", cut(value)))
}

// UnparsableSenderMacro: the macro of SenderMacro names nobody.
func UnparsableSenderMacro(macro, value string) Event {
	return info("unparsable_sender_macro", fmt.Sprintf("can't parse macro %s header value '%s'", macro, cut(value)),
		slog.String("macro", macro), slog.String("value", cut(value)))
}

// RequiredHeaders: a field that RFC 5322 §3.6 wants once is not there once.
func RequiredHeaders(why string) Event {
	return info("required_headers", "RFC5322 header requirement error: "+why, slog.String("why", why))
}

// TooMuchHeader: the header block is above MaximumHeaders, from this field on.
func TooMuchHeader(field string, limit int) Event {
	return notice("too_much_header", fmt.Sprintf("too much header data: field %s exceeds MaximumHeaders %d", quote(field), limit),
		slog.String("field", cut(field)), slog.Int("limit", limit))
}

// More: of the lines of one kind about a message, so many were left out.
func More(name string, n int) Event {
	return notice("more", fmt.Sprintf("and %d more lines of this kind (%s)", n, name), slog.String("of", name), slog.Int("count", n))
}

// Table and key trouble.

// UnknownKey: SigningTable names a key that KeyTable does not have.
func UnknownKey(name string) Event {
	return failure("unknown_key", fmt.Sprintf("signing table references unknown key '%s'", cut(name)), slog.String("key", cut(name)))
}

// KeyError: a key of KeyTable cannot be had. A key_trouble before it says why.
func KeyError(name string) Event {
	return failure("key_error", fmt.Sprintf("error loading key '%s'", cut(name)), slog.String("key", cut(name)))
}

// KeyTrouble: why a key cannot be had, in OpenDKIM's words, with no job before
// them: they are about the server, not about the message.
func KeyTrouble(err error) Event {
	e := failure("key_trouble", cut(err.Error()), because(err))
	e.NoJob = true
	return e
}

// Undecodable: a key's data is no key. Compat(opendkim 2.11): in its library's words,
// after key_undecodable_why.
func Undecodable() Event {
	return failure("key_undecodable", "dkim_eom(): resource unavailable: d2i_PrivateKey_bio() failed")
}

// UndecodableWhy: which key it is, and what is wrong with it.
func UndecodableWhy(err error) Event {
	return info("key_undecodable_why", "SSL error: "+cut(err.Error()), because(err))
}

// UnparsableResults: so many Authentication-Results fields are none, as all of Outlook's.
// Compat(opendkim 2.11): the words for one.
func UnparsableResults(n int) Event {
	text := "failed to parse Authentication-Results: header field"
	if n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	return warning("unparsable_results", text, slog.Int("count", n))
}

// SigningTableError: SigningTable could not be asked.
func SigningTableError(err error) Event {
	return failure("signing_table_error", "error reading signing table", because(err))
}

// DatasetError: another data set could not be asked.
func DatasetError(option string, err error) Event {
	return failure("dataset_error", fmt.Sprintf("%s: %s", option, cut(err.Error())), slog.String("option", option),
		because(err))
}

// Signing.

// Signed: a signature was added.
func Signed(field, selector, domain, algorithm string, took time.Duration) Event {
	return info("signed", fmt.Sprintf("%s field added (s=%s, d=%s)", field, selector, domain),
		slog.String("selector", selector), slog.String("domain", domain),
		slog.String("algorithm", algorithm), slog.Float64("took_seconds", took.Seconds()))
}

// SigningFailed: the key or the message does not let itself be signed.
func SigningFailed(err error) Event {
	return failure("signing_failed", "signature generation error: "+cut(err.Error()), because(err))
}

// NotSenders: RequireSenderMatch holds the author's address to be another's.
func NotSenders(author, login string) Event {
	return notice("not_senders", fmt.Sprintf("'%s' may not send as '%s', not signing", cut(login), cut(author)),
		slog.String("author", cut(author)), slog.String("login", cut(login)))
}

// NotSignedAnew: mail for ResignMailTo has no good signature that lets us speak for its
// authors.
func NotSignedAnew(domain string) Event {
	return info("not_signed_anew", "no signature lets us sign this anew for "+cut(domain), slog.String("domain", cut(domain)))
}

// Verifying.

// Judgement is what was found of the signature that decides.
type Judgement struct {
	Domain, Selector, Algorithm string
	Result, Reason              string // "pass"; "signature expired"
	Bits                        int    // of the key; 0 where it is not known
}

func (j Judgement) findings() []slog.Attr {
	return []slog.Attr{slog.String("domain", cut(j.Domain)), slog.String("selector", cut(j.Selector)),
		slog.String("algorithm", j.Algorithm), slog.String("result", j.Result), slog.String("reason", j.Reason), slog.Int("bits", j.Bits)}
}

// Verified: the deciding signature holds.
func Verified(j Judgement) Event {
	return info("verified", "DKIM verification successful", j.findings()...)
}

// NoSignature: the message has none. Compat(opendkim 2.11): at this level.
func NoSignature() Event {
	return debug("unsigned", "no signature data")
}

// NoSignatureRefused: the message has none, and On-NoSignature minds.
func NoSignatureRefused() Event { return notice("unsigned_refused", "no signature data") }

// BadSignature: the deciding signature does not hold.
func BadSignature(j Judgement) Event {
	return notice("bad_signature", "bad signature data", j.findings()...)
}

// Signature is what OpenDKIM tells of the deciding signature, with its crypto library's
// last word on it.
func Signature(selector, domain, algorithm, why string) Event {
	text := fmt.Sprintf("s=%s d=%s a=%s SSL %s", cut(selector), cut(domain), algorithm, why)
	return info("signature_detail", text, slog.String("selector", cut(selector)), slog.String("domain", cut(domain)),
		slog.String("algorithm", algorithm), slog.String("why", why))
}

// FieldDiffers: a field is not as the signer saw it (z=).
func FieldDiffers(kind, name, then, now string) Event {
	text := fmt.Sprintf("header field %s was %s after signing", cut(name), kind)
	if kind != "added" {
		text += ", then: " + quote(then)
	}
	if kind != "removed" {
		text += ", now: " + quote(now)
	}
	return info("field_differs", text, slog.String("field", cut(name)), slog.String("kind", kind),
		slog.String("then", cut(then)), slog.String("now", cut(now)))
}

func quote(s string) string { return strconv.Quote(cut(strings.TrimSpace(s))) }

// EditsFailed: the MTA did not agree to an edit that is needed.
func EditsFailed(err error) Event {
	return failure("edits_failed", "can't change the message: "+cut(err.Error()), because(err))
}

// Ignoring: signatures beyond MaximumSignaturesToVerify.
func Ignoring(n int) Event {
	plural := "s"
	if n == 1 {
		plural = ""
	}
	return info("ignoring", fmt.Sprintf("ignoring %d signature%s", n, plural), slog.Int("count", n))
}

// SignaturesFrom: the message has several signatures, by these domains.
func SignaturesFrom(domains []string) Event {
	list := cut(strings.Join(domains, ", "))
	return info("signatures_from", "message has signatures from "+list, slog.String("domains", list))
}

// Results is what LogResults tells of every signature.
func Results(list string) Event { return info("results", list) }

// SyntaxError: a DKIM-Signature field is none.
func SyntaxError(why string) Event {
	return failure("syntax_error", "syntax error: "+cut(why), slog.String("why", cut(why)))
}

// KeyRevoked: the key record says so.
func KeyRevoked(selector, domain, algorithm string) Event {
	return notice("key_revoked", fmt.Sprintf("key revoked (s=%s, d=%s, a=%s)", cut(selector), cut(domain), algorithm),
		slog.String("selector", cut(selector)), slog.String("domain", cut(domain)))
}

// KeyNotFound: there is no key record.
func KeyNotFound(selector, domain, name string) Event {
	return failure("key_not_found", fmt.Sprintf("key retrieval failed (s=%s, d=%s): '%s' record not found",
		cut(selector), cut(domain), cut(name)), slog.String("selector", cut(selector)), slog.String("domain", cut(domain)))
}

// KeyQueryFailed: nobody could say whether there is a key record.
func KeyQueryFailed(selector, domain string, err error) Event {
	why := "no answer"
	if err != nil {
		why = cut(err.Error())
	}
	return failure("key_query_failed", fmt.Sprintf("key retrieval failed (s=%s, d=%s): %s", cut(selector), cut(domain), why),
		slog.String("selector", cut(selector)), slog.String("domain", cut(domain)), slog.String("error", why))
}

// SeveralKeys: more than one TXT record stands at the key's name; RFC 6376
// §3.6.2.2 leaves open which counts.
func SeveralKeys(selector, domain string) Event {
	text := fmt.Sprintf("multiple key records (s=%s, d=%s): the first usable one is taken", cut(selector), cut(domain))
	return warning("several_keys", text, slog.String("selector", cut(selector)), slog.String("domain", cut(domain)))
}

// Reports and statistics.

// ReportSent: a report about a failed signature is on its way.
func ReportSent(domain, to string) Event {
	return info("report_sent", fmt.Sprintf("failure report for %s sent to %s", cut(domain), cut(to)),
		slog.String("domain", cut(domain)), slog.String("to", cut(to)))
}

// ReportFailed: a report about a failed signature could not be sent.
func ReportFailed(domain string, err error) Event {
	return failure("report_failed", fmt.Sprintf("failure report for %s not sent: %s", cut(domain), cut(err.Error())),
		slog.String("domain", cut(domain)), because(err))
}

// ReportDropped: more reports are wanted than are sent.
func ReportDropped(domain, why string) Event {
	return info("report_dropped", fmt.Sprintf("failure report for %s not sent: %s", cut(domain), why),
		slog.String("domain", cut(domain)), slog.String("why", why))
}

// FileFailed: a file that an option asks for could not be written.
func FileFailed(err error) Event {
	return failure("file_failed", cut(err.Error()), because(err))
}

// TemporaryFileFailed: a file of KeepTemporaryFiles could not be written.
func TemporaryFileFailed(err error) Event {
	return failure("temporary_file_failed", "KeepTemporaryFiles: "+cut(err.Error()), because(err))
}

// ResolverBroke: a look-up of a key ended in a panic.
func ResolverBroke(v any) Event {
	return failure("panic", "panic while looking up a key", slog.Any("panic", v))
}

// ReportBroke: a report's making ended in a panic.
func ReportBroke(v any) Event {
	return failure("panic", fmt.Sprintf("internal error while reporting: %v", v), slog.Any("panic", v))
}

// RemovedResults: fields that claim to be ours came with the message.
func RemovedResults(n int) Event {
	text := fmt.Sprintf("removed %d Authentication-Results fields that bear our name", n)
	return detail("removed_results", text, slog.Int("count", n))
}

// NoJobID: the MTA gave the message no name. Compat(opendkim 2.11).
func NoJobID() Event {
	e := warning("no_job_id", "WARNING: symbol 'i' not available")
	e.NoJob = true
	return e
}

// Summary is one line a message, for those who watch a terminal.
func Summary(text string) Event {
	return summary("message", text)
}
