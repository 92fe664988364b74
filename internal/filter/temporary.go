package filter

import (
	"fmt"
	"os"
	"strings"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/policy"
)

// maxTemporaryBytes bounds a body kept for KeepTemporaryFiles: it has to be held
// in memory until the message ends.
const maxTemporaryBytes = 64 << 20

// keepForFiles has the canonical bodies of all signatures kept, when they are to
// be written into files.
func (m *message) keepForFiles(s *session) {
	if s.snapshot.TemporaryDirectory == "" {
		return
	}
	for _, c := range []dkim.Canonicalization{dkim.Simple, dkim.Relaxed} {
		m.bodies.Keep(c, maxTemporaryBytes)
	}
}

// writeFiles writes the canonical header and body of each signature verified or
// made into files named dkim.JOB.RANDOM. Compat(opendkim 2.11): those names, and
// a signature's own field without line end behind it.
func (m *message) writeFiles(s *session, v *policy.Verdict) {
	if s.snapshot.TemporaryDirectory == "" {
		return
	}
	for i := range v.Results {
		if r := &v.Results[i]; r.Signature != nil && r.Status != dkim.StatusPermError {
			m.writeSignature(s, r.Signature, m.plan.Header(&m.fields), r.FieldIndex)
		}
	}
	for _, made := range v.Signatures {
		fields := new(header.List)
		fields.AddRaw([]byte(dkim.FieldName + ":" + strings.ReplaceAll(made.Value, "\r\n", "\n")))
		signed := s.snapshot.Rules.Signing.Replaced(m.plan.Header(&m.fields))
		for i := range signed.Len() {
			fields.AddRaw(signed.At(i).Raw)
		}
		if g, err := dkim.ParseSignature(fields.At(0).Value()); err == nil {
			m.writeSignature(s, g, fields, 0)
		}
	}
}

func (m *message) writeSignature(s *session, g *dkim.Signature, fields *header.List, own int) {
	body := m.bodies.Kept(g.BodyCanonicalization)
	if g.Length >= 0 && g.Length < int64(len(body)) {
		body = body[:g.Length]
	}
	for _, text := range [][]byte{g.CanonicalHeader(fields, own), body} {
		if err := writeTemporary(s.snapshot.TemporaryDirectory, m.facts.JobID, text); err != nil {
			s.snapshot.Log.Error(fmt.Sprintf("%s: KeepTemporaryFiles: %s", m.facts.JobID, err), "event", "temporary_file_failed")
			return
		}
	}
}

func writeTemporary(folder, jobID string, text []byte) error {
	const maxNameBytes = 64
	name := strings.Map(func(c rune) rune {
		if c == '/' || c == '*' || c < '!' || c > '~' {
			return '_' // from the MTA, and no part of a path
		}
		return c
	}, jobID)
	f, err := os.CreateTemp(folder, "dkim."+name[:min(len(name), maxNameBytes)]+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
