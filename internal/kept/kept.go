// Package kept holds what is counted over a restart: a file of JSON lines that is
// replaced whole or not at all.
package kept

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync"
	"syscall"

	"dojang/internal/atomicfile"
)

// maxLineBytes is more than a line of ours can have.
const maxLineBytes = 16 << 10

// errForeign says that a file is not ours to replace.
var errForeign = errors.New("no file of counts, and left as it is: counts are kept in memory alone")

// Store is what a File keeps.
type Store interface {
	// Take takes one line over, with its line break. An error ends the reading.
	Take(line []byte) error
	// Lines is everything to keep, as values for encoding/json, and a number that
	// differs when something changed since; nil when it is still `since`.
	Lines(since uint64) (lines iter.Seq[any], changes uint64)
}

// File keeps a Store over a restart. Its methods may be called by many at once.
type File struct {
	Path string
	// FirstLine begins the file, without its line break: no file of another kind is
	// taken for one, nor replaced by one.
	FirstLine string
	Store     Store

	mu      sync.Mutex
	foreign bool
	written uint64 // the number of Store.Lines when the file was written last
}

// Read gives the Store what the file holds; one that is not there holds nothing.
// After an error what was read before it counts, and a file that is not ours to
// read is not written either.
func (f *File) Read() error {
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
	if !f.isOurs(file, in) {
		f.foreign = true
		return fmt.Errorf("%s: %w", f.Path, errForeign)
	}
	if err := f.take(in); err != nil {
		return fmt.Errorf("%s: damaged: %w", f.Path, err)
	}
	return nil
}

// take reads lines, up to the first that makes no sense.
func (f *File) take(in *bufio.Reader) error {
	for {
		text, err := in.ReadSlice('\n')
		if err == io.EOF && len(text) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a line without end: %w", err)
		}
		if err := f.Store.Take(text); err != nil {
			return err
		}
	}
}

// isOurs reports whether a file begins with FirstLine, which it takes, or is an
// empty one to become ours.
func (f *File) isOurs(file *os.File, in *bufio.Reader) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	first, err := in.ReadSlice('\n')
	return string(first) == f.FirstLine+"\n" || err == io.EOF && len(first) == 0
}

// Write puts the Store into the file, whole or not at all, for its owner alone to
// read. It does nothing when nothing changed since, or the file is not ours.
func (f *File) Write() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.foreign {
		return nil
	}
	lines, changes := f.Store.Lines(f.written)
	if lines == nil {
		return nil
	}
	err := atomicfile.WriteTo(f.Path, atomicfile.Options{}, func(w io.Writer) error { return f.writeLines(w, lines) })
	if err == nil {
		f.written = changes
	}
	return err
}

func (f *File) writeLines(w io.Writer, lines iter.Seq[any]) error {
	out := bufio.NewWriter(w)
	if _, err := out.WriteString(f.FirstLine + "\n"); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return out.Flush()
}
