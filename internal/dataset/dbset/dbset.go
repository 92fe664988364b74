// Package dbset reads Berkeley DB files (db:, .db) and LMDB directories (mdb:)
// through db_dump and mdb_dump, which their packages install: no library is
// linked. A file is read whole and again when it changed.
package dbset

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/privilege"
)

// Options say how files are read. The zero value is usable.
type Options struct {
	// DBDump and MDBDump are the programs; "" looks for db_dump (db5.3_dump, ...)
	// and mdb_dump.
	DBDump, MDBDump string
	Timeout         time.Duration    // of one reading; 0 means 60 s
	Recheck         time.Duration    // how often the file is looked at; 0 means 1 s
	Now             func() time.Time // nil means time.Now
	// OnReload is told of each reading after the first, with its error. After an
	// error the rows read before stay.
	OnReload func(path string, err error)
}

// Set is a file's rows.
type Set struct {
	o       Options
	limits  dataset.Options
	kind    string // dataset.TypeDB or TypeMDB
	path    string
	program string

	mu      sync.Mutex
	rows    dataset.Set
	stamp   stamp
	checked time.Time
	reading bool
}

// stamp is what is compared to see that a file changed.
type stamp struct {
	size  int64
	mtime time.Time
}

// Opener opens db: and mdb: sets.
func Opener(o Options) dataset.Opener {
	return func(ctx context.Context, spec dataset.Spec, d dataset.Options) (dataset.Set, error) {
		s, err := open(ctx, spec, o, d)
		if err != nil {
			return nil, &dataset.Error{Set: spec.String(), Err: err}
		}
		return s, nil
	}
}

func open(ctx context.Context, spec dataset.Spec, o Options, d dataset.Options) (*Set, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Recheck == 0 {
		o.Recheck = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Set{o: o, limits: d, kind: spec.Type, path: spec.Args}
	// Compat(opendkim 2.11): db:NAME finds NAME.db too.
	if _, err := privilege.Stat(s.path); os.IsNotExist(err) && s.kind == dataset.TypeDB {
		if _, err := privilege.Stat(s.path + ".db"); err == nil {
			s.path += ".db"
		}
	}
	st, err := s.look()
	if err != nil {
		return nil, err
	}
	if s.program, err = s.find(); err != nil {
		return nil, err
	}
	s.stamp, s.checked = st, o.Now()
	s.rows, err = s.read(ctx)
	return s, err
}

// find looks for the dump program.
func (s *Set) find() (string, error) {
	name, names, pkg := s.o.DBDump, []string{"db_dump", "db5.3_dump", "db4.8_dump"}, "db-util (Debian) or libdb-utils (Fedora, Rocky)"
	if s.kind == dataset.TypeMDB {
		name, names, pkg = s.o.MDBDump, []string{"mdb_dump"}, "lmdb-utils (Debian) or lmdb (Fedora, Rocky)"
	}
	if name != "" {
		return name, nil
	}
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is needed to read it: install the package %s", names[0], pkg)
}

// look returns the stamp of the data file.
func (s *Set) look() (stamp, error) {
	info, err := privilege.Stat(s.path)
	if err == nil && info.IsDir() && s.kind == dataset.TypeMDB {
		info, err = privilege.Stat(filepath.Join(s.path, "data.mdb"))
	}
	if err == nil && !info.Mode().IsRegular() { // a program that reads it would wait
		err = &fs.PathError{Op: "open", Path: s.path, Err: privilege.ErrNotFile}
	}
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

// read runs the dump program. A file that changes meanwhile is read again by the next
// look.
func (s *Set) read(ctx context.Context) (dataset.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	args := []string{"--", s.path} // a name may begin with a dash
	if info, err := privilege.Stat(s.path); err == nil && !info.IsDir() && s.kind == dataset.TypeMDB {
		args = append([]string{"-n"}, args...)
	}
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: privilege.Reader(s.path)}
	var complaint bytes.Buffer
	cmd.Stderr = &limited{&complaint, 512}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pairs, parseErr := parseDump(out, s.limits)
	if parseErr != nil {
		cancel()
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil && parseErr == nil || complaint.Len() > 0 && parseErr != nil {
		return nil, fmt.Errorf("%s: %v: %s", s.program, err, strings.TrimSpace(complaint.String()))
	}
	if parseErr != nil {
		return nil, parseErr
	}
	return dataset.NewTable(s.path, pairs, s.limits.FoldCase), nil
}

// limited keeps the first bytes of what is written.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.to.Write(b[:n])
	l.left -= n
	return len(b), nil
}

// current returns the rows, read anew when the file changed. While one caller
// reads, the others have the rows of before.
func (s *Set) current(ctx context.Context) dataset.Set {
	s.mu.Lock()
	now := s.o.Now()
	rows := s.rows
	if s.reading || now.Sub(s.checked) < s.o.Recheck {
		s.mu.Unlock()
		return rows
	}
	s.checked = now
	st, err := s.look()
	if err != nil || st == s.stamp {
		s.mu.Unlock()
		return rows // a file that is being replaced is away for a moment
	}
	s.reading = true
	s.mu.Unlock()

	fresh, err := s.read(context.WithoutCancel(ctx))
	after, lookErr := s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	if err == nil && (lookErr != nil || after != st) {
		err = errors.New("file changed while it was read")
	}
	if err == nil {
		s.rows, s.stamp = fresh, st
	}
	if s.o.OnReload != nil {
		s.o.OnReload(s.path, err)
	}
	return s.rows
}

// Lookup asks for one key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	return s.current(ctx).Lookup(ctx, key, columns)
}

// Walk implements dataset.Walker.
func (s *Set) Walk(ctx context.Context, f func(dataset.Entry) error) error {
	return dataset.Walk(ctx, s.current(ctx), f)
}

// Close does nothing: no file is kept open.
func (s *Set) Close() error { return nil }

// parseDump reads what db_dump and mdb_dump write: a header, then keys and values
// in turn, each on a line that starts with a blank, as hexadecimal digits
// or, in the print format, with escapes.
func parseDump(r io.Reader, limits dataset.Options) ([]dataset.Pair, error) {
	limits.MaxFileBytes = cmp.Or(limits.MaxFileBytes, 1<<30)
	limits.MaxRows = cmp.Or(limits.MaxRows, 10_000_000)
	limits.MaxLineBytes = cmp.Or(limits.MaxLineBytes, 1<<20)
	counted := &io.LimitedReader{R: r, N: 2*limits.MaxFileBytes + 1}
	sc := bufio.NewScanner(counted)
	sc.Buffer(nil, 2*limits.MaxLineBytes)
	decode := decodeHex
	header, ended := true, false
	var pairs []dataset.Pair
	var key *string
	for sc.Scan() {
		line := sc.Text()
		if header {
			switch strings.TrimSpace(line) {
			case "format=print":
				decode = decodePrint
			case "HEADER=END":
				header = false
			}
			continue
		}
		if strings.TrimSpace(line) == "DATA=END" {
			ended = true
			break
		}
		text, ok := strings.CutPrefix(line, " ")
		if !ok {
			return nil, errors.New("dump has a line that is neither key nor value")
		}
		value, err := decode(text)
		if err != nil {
			return nil, err
		}
		// Postfix's tables end keys and values with a NUL.
		value = strings.TrimSuffix(value, "\x00")
		if key == nil {
			key = &value
			continue
		}
		if len(pairs) == limits.MaxRows {
			return nil, fmt.Errorf("more than %d rows", limits.MaxRows)
		}
		pairs = append(pairs, dataset.Pair{Key: *key, Value: value})
		key = nil
	}
	switch {
	case sc.Err() != nil:
		return nil, sc.Err()
	case counted.N == 0:
		return nil, fmt.Errorf("file is larger than %d bytes", limits.MaxFileBytes)
	case !ended || key != nil:
		return nil, errors.New("dump ends early")
	}
	return pairs, nil
}

func decodeHex(s string) (string, error) {
	if len(s)%2 != 0 {
		return "", errors.New("dump has half a byte")
	}
	out := make([]byte, len(s)/2)
	for i := range out {
		hi, lo := digit(s[2*i]), digit(s[2*i+1])
		if hi < 0 || lo < 0 {
			return "", errors.New("dump has a line that is not hexadecimal")
		}
		out[i] = byte(hi<<4 | lo)
	}
	return string(out), nil
}

func decodePrint(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\\' {
			out = append(out, '\\')
			i++
			continue
		}
		if i+2 >= len(s) || digit(s[i+1]) < 0 || digit(s[i+2]) < 0 {
			return "", errors.New("dump has a broken escape")
		}
		out = append(out, byte(digit(s[i+1])<<4|digit(s[i+2])))
		i += 2
	}
	return string(out), nil
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
