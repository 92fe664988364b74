package reputation

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// firstLine begins a file of counts: no file of another kind is taken for one,
	// nor replaced by one.
	firstLine = "dojang counts 1\n"
	// maxLineBytes is more than a line of ours can have.
	maxLineBytes = 8 << 10
)

// errForeign says that a file is not ours to replace.
var errForeign = errors.New("no file of counts, and left as it is: counts are kept in memory alone")

// File keeps the counts of a Counter over a restart. Its methods may be called by
// many at once.
type File struct {
	Path    string
	Counter *Counter

	mu      sync.Mutex
	foreign bool
	written uint64 // Counter.changes when the file was written last
}

// line is one line of a file, in JSON: what a domain sent, or a message of its
// that was refused for now. What was used last stands last.
type line struct {
	Domain string        `json:"domain"`
	Period time.Duration `json:"period,omitempty"`
	Parts  [][3]int64    `json:"parts,omitempty"` // number, messages, spam
	Body   []byte        `json:"body,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
}

// Read adds what the file holds to the Counter; one that is not there holds
// nothing. After an error what was read before it counts, and a file that is not
// ours to read is not written either.
func (f *File) Read(now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A FIFO must not make the start wait.
	file, err := os.OpenFile(f.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		f.foreign = true
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, maxLineBytes)
	if !isOurs(file, in) {
		f.foreign = true
		return fmt.Errorf("%s: %w", f.Path, errForeign)
	}
	if err := f.Counter.read(in, now); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

// isOurs reports whether a file is one of counts, whose first line it takes, or
// an empty one to become that.
func isOurs(file *os.File, in *bufio.Reader) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	first, err := in.ReadSlice('\n')
	return string(first) == firstLine || err == io.EOF && len(first) == 0
}

// Write puts the counts into the file, whole or not at all, for its owner alone
// to read. It does nothing when nothing was counted since, or the file is not
// ours.
func (f *File) Write() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.foreign {
		return nil
	}
	lines, changes := f.Counter.lines(f.written)
	if changes == f.written {
		return nil
	}
	err := f.replace(lines)
	var errno syscall.Errno
	switch {
	case err == nil:
		f.written = changes
	case errors.As(err, &errno):
		err = &fs.PathError{Op: "write", Path: f.Path, Err: errno} // not the temporary name
	}
	return err
}

func (f *File) replace(lines []line) (err error) {
	file, err := os.CreateTemp(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".*.tmp") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if err = errors.Join(writeLines(file, lines), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), f.Path)
}

func writeLines(w io.Writer, lines []line) error {
	out := bufio.NewWriter(w)
	if _, err := out.WriteString(firstLine); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for i := range lines {
		if err := encoder.Encode(&lines[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// lines is everything counted, and how often something was; none when that is
// still what it was.
func (c *Counter) lines(was uint64) ([]line, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == was {
		return nil, was
	}
	lines := make([]line, 0, len(c.domains.byKey)+len(c.deferred.byKey))
	for domain, w := range c.domains.oldestFirst() {
		l := line{Domain: domain, Period: w.period}
		for _, p := range w.parts {
			if p.messages > 0 {
				l.Parts = append(l.Parts, [3]int64{p.number, int64(p.messages), int64(p.spam)})
			}
		}
		lines = append(lines, l)
	}
	for try, since := range c.deferred.oldestFirst() {
		lines = append(lines, line{Domain: try.domain, Body: try.body[:], Since: since})
	}
	return lines, c.changes
}

// read takes over lines, up to the first that makes no sense.
func (c *Counter) read(in *bufio.Reader, now time.Time) error {
	for {
		text, err := in.ReadSlice('\n')
		if err == io.EOF && len(text) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("damaged: a line without end: %w", err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("damaged: %w", err)
		}
		if err := c.take(&l, now); err != nil {
			return fmt.Errorf("damaged: %w", err)
		}
	}
}

var errLine = errors.New("a line says nothing that was ever counted")

func (c *Counter) take(l *line, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Body != nil {
		if len(l.Body) != len(Hash{}) {
			return errLine
		}
		if !l.Since.After(now) { // or the clock was set back
			c.deferred.put(attempt{l.Domain, Hash(l.Body)}, l.Since, maxDeferred)
		}
		return nil
	}
	w := &window{period: l.Period}
	latest := w.number(now)
	for _, p := range l.Parts {
		number, messages, spam := p[0], p[1], p[2]
		if number < 0 || messages < 0 || messages > math.MaxUint32 || spam < 0 || spam > messages {
			return errLine
		}
		if number <= latest { // or the clock was set back
			w.parts[number%slots] = part{number, uint32(messages), uint32(spam)}
		}
	}
	c.domains.put(l.Domain, w, maxDomains)
	return nil
}
