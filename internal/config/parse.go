package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// Limits of what is read. OpenDKIM has none but the nesting.
const (
	maxIncludeDepth = 5         // levels of Include below the first file
	maxLineBytes    = 1 << 20   // one line
	maxFileBytes    = 16 << 20  // one file
	maxFiles        = 1000      // with all included ones, each time it is included
	space           = " \t\r\n" // what is trimmed; a name ends at a blank or a tab
)

func trimSpace(s string) string { return strings.Trim(s, space) }

// Load reads a configuration file and the files it includes. Every problem is
// found in one pass; the Config holds what could be read and is never nil. An
// empty path is a configuration of defaults alone.
//
// Compat(opendkim 2.11): the path of an Include is relative to the working
// folder, not to the file that names it. Names are case-insensitive, the last
// of several lines wins, "#" starts a comment anywhere, nothing continues a
// line and nothing quotes.
func Load(path string) (*Config, problem.List) {
	c := New()
	if path == "" {
		return c, nil
	}
	r := reader{take: c.take}
	r.file(path, Value{})
	c.partial = r.partial
	return c, r.problems
}

// take is a line of a file.
func (c *Config) take(name string, v Value, problems *problem.List) {
	if o := Find(name); o != nil {
		c.add(o, v, problems)
		return
	}
	*problems = append(*problems, unknownOption(name, v))
}

// Lines reads a file of options as Load does, and the files that it includes, and hands
// each line to take.
func Lines(path string, take func(name string, v Value, problems *problem.List)) problem.List {
	r := reader{take: take}
	r.file(path, Value{})
	return r.problems
}

// reader is the state of one Lines.
type reader struct {
	take     func(name string, v Value, problems *problem.List)
	problems problem.List
	open     []string // cleaned absolute paths, outermost first
	files    int
	partial  bool // some file could not be read
}

// file reads one file; from is the Include line that names it.
func (r *reader) file(path string, from Value) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	switch {
	case slices.Contains(r.open, absolute):
		r.includeError(from, "take the line out", "%s includes itself", path)
		return
	case len(r.open) > maxIncludeDepth:
		r.includeError(from, fmt.Sprintf("at most %d levels", maxIncludeDepth), "nested too deep")
		return
	case r.files == maxFiles:
		r.includeError(from, "", "more than %d files", maxFiles)
		return
	}
	r.files++
	data, err := readFile(path)
	if err != nil {
		r.unreadable(path, from, err)
		return
	}
	r.open = append(r.open, absolute)
	r.lines(path, data)
	r.open = r.open[:len(r.open)-1]
}

// readFile reads at most maxFileBytes.
func readFile(path string) ([]byte, error) {
	f, err := privilege.OpenAsIs(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	return data, err
}

func (r *reader) includeError(from Value, hint, format string, args ...any) {
	r.partial = true
	r.problems.Addf(problem.Error, from.File, from.Line, "Include", hint, format, args...)
}

// unreadable tells why a file cannot be read, in the system's words.
func (r *reader) unreadable(path string, from Value, err error) {
	reason, hint := err.Error(), ""
	if at := new(fs.PathError); errors.As(err, &at) {
		reason = at.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "check the permissions of the file and of the folders above it"
	case errors.Is(err, fs.ErrNotExist) && from.File != "" && !filepath.IsAbs(path):
		hint = "a relative path is relative to the folder the filter is started in; write the whole path"
		if beside := filepath.Join(filepath.Dir(from.File), path); isFile(beside) {
			if absolute, err := filepath.Abs(beside); err == nil {
				hint += ": Include " + absolute
			}
		}
	case errors.Is(err, fs.ErrNotExist):
		hint = "check the spelling of the path"
	}
	if from.File == "" {
		r.partial = true
		r.problems.Addf(problem.Error, path, 0, "", hint, "cannot be read: %s", reason)
		return
	}
	r.includeError(from, hint, "%s cannot be read: %s", problem.Quote(path), reason)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lines reads the lines of one file.
func (r *reader) lines(path string, data []byte) {
	if rest, found := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); found {
		r.problems.Addf(problem.Warning, path, 1, "", "save the file as UTF-8 without a mark; OpenDKIM refuses it",
			"the file begins with a byte order mark")
		data = rest
	}
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if len(line) > maxLineBytes {
			r.problems.Addf(problem.Error, path, number, "", "put long lists into a file and name it",
				"the line is longer than %d bytes", maxLineBytes)
			continue
		}
		r.line(Value{File: path, Line: number}, line)
	}
}

// line reads one line.
func (r *reader) line(at Value, line []byte) {
	line, _, _ = bytes.Cut(line, []byte("#"))
	line = bytes.Trim(line, space)
	if len(line) == 0 {
		return
	}
	if bytes.IndexByte(line, 0) >= 0 {
		r.problems.Addf(problem.Error, at.File, at.Line, "", "write the file as plain text", "a NUL byte in the line")
		return
	}
	name, value := string(line), ""
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		name, value = string(line[:i]), string(bytes.Trim(line[i:], space))
	}
	at.Text = value
	if strings.EqualFold(name, "Include") && value != "" {
		r.file(value, at)
		return
	}
	r.take(name, at, &r.problems)
}

// unknownOption says what was written and what may have been meant.
func unknownOption(name string, at Value) problem.Problem {
	hint, right := "`dojang config explain` lists all options", ""
	bare, value, assigned := strings.Cut(name, "=")
	if o := Find(bare); o != nil && assigned && value == "" {
		hint = fmt.Sprintf("write %s without an equals sign", example(o))
	} else if o != nil && assigned {
		right = o.Name + " " + value
		hint = "write a blank instead of the equals sign: " + right
	} else if o := Find(strings.TrimRight(name, ":")); o != nil {
		right = o.Name
		hint = fmt.Sprintf("write %s without a colon", right)
	} else if right = Nearest(name); right != "" {
		hint = fmt.Sprintf("did you mean %s?", right)
	}
	p := problem.Problem{File: at.File, Line: at.Line, Severity: problem.Error, Hint: hint, Text: "unknown option " + problem.Quote(name)}
	if right != "" {
		p.Mend = problem.Mend{Edit: problem.Respell, Text: right}
	}
	return p
}
