package message

import (
	"errors"
	"os"
	"strings"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
)

// maxTemporaryBytes bounds a body kept for KeepTemporaryFiles: it has to be held
// in memory until the message ends.
const maxTemporaryBytes = 64 << 20

// keepsFiles reports whether KeepTemporaryFiles counts for this message.
func (m *Message) keepsFiles() bool {
	return m.snapshot.TemporaryDirectory != "" && m.effects.TemporaryFiles
}

// keepForFiles has the canonical bodies of all signatures kept, when they are to
// be written into files.
func (m *Message) keepForFiles() {
	if !m.keepsFiles() {
		return
	}
	for _, c := range []dkim.Canonicalization{dkim.Simple, dkim.Relaxed} {
		m.bodies.Keep(c, maxTemporaryBytes)
	}
}

// writeFiles writes the canonical header and body of each signature verified or
// made into files named dkim.JOB.RANDOM. Compat(opendkim 2.11): those names, and
// a signature's own field without line end behind it.
func (m *Message) writeFiles() {
	if !m.keepsFiles() {
		return
	}
	for i := range m.verdict.Results {
		if r := &m.verdict.Results[i]; r.Status != dkim.StatusPermError {
			m.writeSignature(r.Signature, m.plan.Header(&m.fields), r.FieldIndex)
		}
	}
	for _, made := range m.verdict.Signatures {
		fields := new(header.List)
		fields.AddRaw([]byte(dkim.FieldName + ":" + strings.ReplaceAll(made.Value, "\r\n", "\n")))
		for i := range m.signed.Len() {
			fields.AddRaw(m.signed.At(i).Raw)
		}
		if g, err := dkim.ParseSignature(fields.At(0).Value()); err == nil {
			m.writeSignature(g, fields, 0)
		}
	}
}

func (m *Message) writeSignature(g *dkim.Signature, fields *header.List, own int) {
	body := m.bodies.Kept(g.BodyCanonicalization)
	if g.Length >= 0 {
		body = body[:min(g.Length, int64(len(body)))]
	}
	for _, text := range [][]byte{g.CanonicalHeader(fields, own), body} {
		if err := writeTemporary(m.snapshot.TemporaryDirectory, m.facts.JobID, text); err != nil {
			event.TemporaryFileFailed(err).Write(m.snapshot.Log, m.facts.JobID)
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
	return errors.Join(err, f.Close())
}
