package explain

import (
	"strings"

	"dojang/internal/keyrecord"
	"dojang/internal/words"
)

// Parts of a message that a Cause may be about.
const (
	PartHeader    = "header"
	PartBody      = "body"
	PartKey       = "key"
	partSignature = "signature"
)

// Cause is something that makes a signature fail. All that is said of it stands in Code
// and Args: package words makes sentences of them.
type Cause struct {
	Part   string            `json:"part"`
	Code   string            `json:"code"`            // a word for scripts: subject-tag, footer, ...
	Field  string            `json:"field,omitempty"` // the header field it is about
	Args   map[string]string `json:"args,omitempty"`
	Text   string            `json:"text"`   // in plain words, in English
	Proved bool              `json:"proved"` // undoing it, with those before it, reproduces what was signed

	// Was is what stood there when it was signed, and Is what stands there now. Of the
	// header these are whole fields, one below the other; without Is, Was came below all
	// others. Of the body they are whole lines, the first of them number Line, from 1,
	// once the causes above in the list are undone. Both are given of what is proved, and
	// neither where they would be longer than 64 KiB together.
	Was  string `json:"was,omitempty"`
	Is   string `json:"is,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Note is something worth knowing of a signature that is no fault.
type Note struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
	Text string            `json:"text"` // in plain words, in English
}

// The codes of causes and, with note- before them, of notes.
const (
	CodeUnknown          = "unknown"           // nothing that is known explains it
	CodeSubjectTag       = "subject-tag"       // a tag or "Re:" was put into the Subject
	CodeEncoding         = "encoding"          // encoded words were made anew
	CodeRewritten        = "rewritten"         // a field was written anew
	CodeFromRewritten    = "from-rewritten"    // From or Sender became somebody else's
	CodeAddresses        = "addresses"         // a list of addresses was written anew
	CodePlaceholder      = "placeholder"       // To was put in since there was none
	CodeFieldAdded       = "field-added"       // it was not there
	CodeFieldRepeated    = "field-repeated"    // it was there less often
	CodeFieldRemoved     = "field-removed"     // it was there, or more often
	CodeFieldChanged     = "field-changed"     // it differs from z=
	CodeOrder            = "order"             // fields of one name changed places
	CodeWhiteSpace       = "white-space"       // blanks, folding, case of the name
	CodeRefolded         = "refolded"          // white space in all signed fields
	CodeLongLines        = "long-lines"        // lines above the limit of SMTP were broken
	CodeTransferEncoding = "transfer-encoding" // 8bit, quoted-printable, base64
	CodeDate             = "date"              // another way to write the same time
	CodeHeaderCut        = "header-cut"        // an empty line cut the header in two
	CodeCopiedHeaders    = "copied-headers"    // z= cannot be read
	CodeMailingList      = "mailing-list"      // it came through one
	CodeExchange         = "exchange"          // it came through Microsoft Exchange
	CodeWrongKey         = "wrong-key"         // b= and the key do not belong together
	CodeTruncated        = "truncated"         // the body was cut
	CodeBodyMissing      = "body-missing"      // there is no body, and there was one
	CodeTooLarge         = "too-large"         // to search
	CodeFooter           = "footer"            // text added at the end of body or part
	CodeBanner           = "banner"            // text added at the beginning
	CodeInserted         = "inserted"          // text added in the middle
	CodeBlankLines       = "blank-lines"       // empty lines added
	CodeListWrapping     = "list-wrapping"     // the message became a part of another
	CodeSignatureBlank   = "signature-blank"   // "-- " became "--"
	CodeFromQuoting      = "from-quoting"      // >From
	CodeDotStuffing      = "dot-stuffing"      // dots doubled, or made one
	CodeLineEnds         = "line-ends"
	CodeTabs             = "tabs"
	CodeCharset          = "charset"
	CodeCharsetLabel     = "charset-label"   // charset= of parts
	CodeCharacters       = "characters"      // quotes, dashes, blanks spelled otherwise
	CodeFrame            = "frame"           // of a multipart: its preamble, its last boundary
	CodeSignedEmpty      = "signed-empty"    // an empty body was signed
	CodeLinksRewritten   = "links-rewritten" // links lead elsewhere

	NoteLength        = "note-length"         // l= leaves text unsigned
	NoteTesting       = "note-testing"        // t=y
	NoteSeveralKeys   = "note-several-keys"   // several TXT records
	NoteFieldUnsigned = "note-field-unsigned" // h= lacks it
	NoteExpiredSince  = "note-expired-since"  // good when it came, expired now
)

// args makes arguments of names and values in turn.
func args(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

// said gives causes their words.
func said(causes []Cause) []Cause {
	for i := range causes {
		c := &causes[i]
		if c.Field != "" && c.Args["field"] == "" {
			if c.Args == nil {
				c.Args = map[string]string{}
			}
			c.Args["field"] = c.Field
		}
		if c.Part == PartKey && c.Code != CodeWrongKey {
			c.Text, _ = words.Fault(c.Code, c.Args)
			continue
		}
		c.Text = words.Cause(c.Part, c.Code, c.Args)
	}
	return causes
}

func note(code string, pairs ...string) Note {
	n := Note{Code: code, Args: args(pairs...)}
	n.Text = words.Cause("note", code, n.Args)
	return n
}

// keyCauses are what is wrong with the key's record.
func keyCauses(key Key) []Cause {
	var found []Cause
	for _, f := range key.Faults {
		if f.Fatal {
			found = append(found, Cause{Part: PartKey, Code: f.Code, Args: f.Args, Proved: true})
		}
	}
	if len(found) == 0 && key.Absent {
		found = append(found, Cause{Part: PartKey, Code: keyrecord.FaultAbsent, Args: args("record", key.Record), Proved: true})
	}
	return found
}

// clip makes a stranger's text fit for the middle of a sentence: one line, at most so
// many octets, the blanks around it gone.
func clip(text string, most int) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", ""))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// maxShown is how much of a header field a sentence shows.
const maxShown = 120

// maxKept is how many octets Was and Is have together.
const maxKept = 64 << 10

// keep gives a cause what stood there and what stands there, where that is not too much.
func (c *Cause) keep(was, is string, line int) {
	if len(was)+len(is) <= maxKept {
		c.Was, c.Is, c.Line = was, is, line
	}
}
