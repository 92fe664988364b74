package message

import (
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/internal/policy"
	"dojang/internal/status"
)

// Recorder remembers what became of messages. Its methods are called from many
// goroutines and must be quick.
type Recorder interface {
	Record(m status.Message, ours bool)
	// Signs reports whether mail of a domain was signed before.
	Signs(domain string) bool
}

// record hands a message over by the answer that it got.
func (m *Message) record(answer policy.Action) {
	r := m.snapshot.Recorder
	if r == nil || !m.effects.Counters || m.plan == nil {
		return
	}
	domain := strings.ToLower(m.plan.Author.Domain)
	row := status.Message{
		Time: m.services.now(), QueueID: strings.Clone(m.facts.JobID), Domain: domain, Answer: answer.String(),
		Internal: m.plan.Internal, Authenticated: m.facts.Macro("auth_type") != "", Events: slices.Clone(m.events),
		Author: m.plan.Author.User + "@" + domain, Client: m.facts.ClientAddr.String(), Recipients: len(m.recipients),
	}
	row.TookSeconds = row.Time.Sub(m.started).Seconds()
	for _, s := range m.verdict.Signatures {
		key := s.Request.Key
		row.Signatures = append(row.Signatures,
			status.Signature{Domain: s.Request.Domain, Selector: key.Selector, Algorithm: key.Algorithm.String(), Key: key.Name})
	}
	rules := m.snapshot.Rules
	ours := len(m.plan.Sign) > 0 || slices.ContainsFunc(row.Events, isOurTrouble) ||
		rules.Sign && (r.Signs(domain) || rules.SignsFor(m.ctx, m.plan.Author))
	row.Result = m.result(domain, len(row.Signatures) > 0, ours && rules.Sign && !m.facts.VerifyOnly)
	if row.Result == status.Unsigned {
		row.Reason = reasonOf(row.Events)
	}
	r.Record(row, ours)
}

// result is what became of a message's signatures. Our own mail that comes back,
// from a list or as a forgery with a broken signature, was verified, and is no
// mail that left unsigned.
func (m *Message) result(domain string, signed, shouldBe bool) status.Result {
	if signed {
		return status.Signed
	}
	result := status.None
	for i := range m.verdict.Results {
		r := &m.verdict.Results[i]
		if shouldBe && !strings.EqualFold(r.Signature.Domain, domain) {
			continue
		}
		if r.Status == dkim.StatusPass {
			return status.Pass
		}
		result = status.Fail
	}
	if result == status.None && shouldBe {
		return status.Unsigned
	}
	return result
}

// troubles are the reasons why mail of ours is not signed, by the names of their
// events, the most telling first.
var troubles = [...]string{
	"key_error", "unknown_key", "key_undecodable", "signing_table_error", "signing_failed", "not_senders", "external_host",
	"dont_sign_mail_to", "dataset_error", "exempted", "too_much_header", "required_headers", "no_signing_table_match",
	"no_signing_domain", "not_internal", "no_mta_match", "no_macros_match",
}

// ourTroubles are those that only mail of our domains has.
const ourTroubles = 7

func isOurTrouble(name string) bool { return slices.Contains(troubles[:ourTroubles], name) }

// reasonOf picks the event that tells best why a message is not signed.
func reasonOf(events []string) string {
	for _, name := range troubles {
		if slices.Contains(events, name) {
			return name
		}
	}
	return "other"
}
