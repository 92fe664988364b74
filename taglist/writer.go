package taglist

// Writer writes a tag list, folded at a margin. The zero Writer folds nothing. Values are
// written as given: they must have no semicolon and, but for b= and its like, no line end.
//
// Compat(opendkim 2.11): the layout is OpenDKIM's to the byte, since people
// compare headers when they replace it: a tag that would cross the margin
// starts a new line ("\r\n\t", counted as eight columns), values that may be
// broken anywhere are filled to the margin and go on after "\r\n\t ", and a
// list of names is broken behind a colon.
type Writer struct {
	// Margin is the line length in columns, 0 for no folding.
	Margin int
	// Column is where the first byte will stand: the length of
	// "DKIM-Signature: ".
	Column int

	out     []byte
	started bool
}

// Start has the writer write into buf, from its beginning, and puts the name
// before the list there: "DKIM-Signature: ". Bytes and String then hold it too.
func (w *Writer) Start(buf []byte, name string) {
	w.out = append(buf[:0], name...)
	w.Column = len(name)
}

// Break says where a value may be folded.
type Break uint8

// The ways to fold a value that does not fit on a line.
const (
	BreakNever    Break = iota // goes on a line as it is, however long
	BreakAnywhere              // base64 and quoted-printable: after any byte
	BreakAtColon               // a list of names: behind a colon
)

// Tag writes one tag and its ";", a blank or a fold before it.
func (w *Writer) Tag(name, value string, how Break) {
	w.tag(name, value, ";", how, 0)
}

// Last writes the last tag, without ";". Its value may be empty to leave the
// place of b=; reserve is the length in bytes of what will stand there, which
// is taken into account when the line is folded.
func (w *Writer) Last(name, value string, how Break, reserve int) {
	w.tag(name, value, "", how, reserve)
}

func (w *Writer) tag(name, value, end string, how Break, reserve int) {
	length := len(name) + 1 + len(value) + len(end)
	force := reserve > 0 && w.Column+len(name)+1+reserve >= w.Margin
	switch {
	case w.Margin <= 0 || !w.started || !force && w.Column+length <= w.Margin:
		if w.started {
			w.write(" ")
		}
		w.started = true
		w.write(name)
		w.write("=")
		w.write(value)
		w.write(end)
		return
	}
	w.fold("\r\n\t", 8)
	w.write(name)
	w.write("=")
	switch how {
	case BreakAnywhere:
		w.fill(value + end)
	case BreakAtColon:
		w.names(value + end)
	default:
		w.write(value)
		w.write(end)
	}
}

func (w *Writer) write(s string) {
	if w.out == nil {
		w.out = make([]byte, 0, 1024)
	}
	w.out = append(w.out, s...)
	w.Column += len(s)
}

func (w *Writer) fold(s string, column int) {
	w.out = append(w.out, s...)
	w.Column = column
}

// fill writes s to the margin, line after line.
func (w *Writer) fill(s string) {
	for {
		room := max(w.Margin-w.Column, 1)
		if len(s) <= room {
			w.write(s)
			return
		}
		w.write(s[:room])
		s = s[room:]
		w.fold("\r\n\t ", 9)
	}
}

// names writes a list of names, folding behind colons.
func (w *Writer) names(s string) {
	for first := true; s != ""; first = false {
		name := s
		if i := indexByte(s, ':'); i >= 0 {
			name, s = s[:i], s[i+1:]
		} else {
			s = ""
		}
		if !first {
			w.write(":")
			if w.Column+len(name) > w.Margin {
				w.fold("\r\n\t ", 9)
			}
		}
		w.write(name)
	}
}

func indexByte(s string, c byte) int {
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// Len returns the number of bytes written so far.
func (w *Writer) Len() int { return len(w.out) }

// Bytes returns what was written. The slice is the writer's own until the next call.
func (w *Writer) Bytes() []byte { return w.out }

// String returns a copy of what was written.
func (w *Writer) String() string { return string(w.out) }

// Append writes s behind what was written, folded where it reaches the margin.
func (w *Writer) Append(s string) {
	if w.Margin <= 0 {
		w.write(s)
		return
	}
	w.fill(s)
}
