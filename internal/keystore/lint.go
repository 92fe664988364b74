package keystore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"dojang/internal/dataset"
	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// alwaysLoaded is how many keys a check loads whatever time it has: some milliseconds' work.
const alwaysLoaded = 256

// Lint checks every row of the KeyTable and loads its key. A table that is not
// held in memory is not read. When ctx ends, the keys left are not loaded and a
// warning says how many; the rows are checked all the same, and so are the first
// alwaysLoaded keys: what is told of a small table does not depend on how fast a machine is.
func (s *Store) Lint(ctx context.Context) problem.List {
	const option, block = "KeyTable", 64
	local, ok := s.table.(dataset.Local)
	if !ok {
		return nil
	}
	list := dataset.Lint{Option: option}.Table(ctx, s.table, 3)
	var next, unloaded atomic.Int64
	var mu sync.Mutex
	check := func(i int) {
		e, line := local.Row(i)
		row, p := lintRow(e, line)
		switch {
		case p != nil || row.Key == "":
		case i >= alwaysLoaded && ctx.Err() != nil:
			unloaded.Add(1)
		default:
			p = s.lintKey(e, line, row)
		}
		if p != nil {
			p.File, p.Option = local.Source(), option
			mu.Lock()
			list = append(list, *p)
			mu.Unlock()
		}
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				from := int(next.Add(block)) - block
				if from >= local.Len() {
					return
				}
				for i := from; i < min(from+block, local.Len()); i++ {
					check(i)
				}
			}
		})
	}
	workers.Wait()
	if n := unloaded.Load(); n > 0 {
		list.Addf(problem.Warning, local.Source(), 0, option, "dojang config check takes the time it needs",
			"%d of %d keys were not checked: there was no time left", n, local.Len())
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Line < list[j].Line })
	return list
}

// lintRow returns a row and what is wrong with it, nil when nothing is. The row has
// no key where that is told otherwise or depends on the sender.
func lintRow(e dataset.Pair, line int) (Row, *problem.Problem) {
	if strings.Count(e.Value, ":") < 2 {
		return Row{}, nil // told as too few fields
	}
	row, err := ParseRow([]string{e.Value})
	if err != nil {
		hint := "write domain:selector:/path/of/the/key behind the name"
		var wrong *rowError
		if errors.As(err, &wrong) {
			hint = wrong.hint
		}
		return Row{}, &problem.Problem{Line: line, Severity: problem.Error, Text: problem.Quote(e.Key) + ": " + err.Error(), Hint: hint}
	}
	if strings.Contains(row.Key, "%") {
		return Row{}, nil // which file depends on the sender
	}
	return row, nil
}

// lintKey returns what is wrong with a row's key, nil when nothing is.
func (s *Store) lintKey(e dataset.Pair, line int, row Row) *problem.Problem {
	if p := lintPath(row.Key, s.o.Locate(row.Key).Path); p != nil {
		p.Line = line
		return p
	}
	err := s.lintLoad(e.Key, row)
	if err == nil {
		if p := s.lintUnsafe(e.Key, line, row); p != nil {
			return p
		}
		if p := s.lintReach(e.Key, line, row); p != nil {
			return p
		}
		return lintNames(e, line, row)
	}
	p := &problem.Problem{Line: line, Severity: problem.Error, Text: err.Text, Hint: err.Hint}
	path := s.o.Locate(row.Key).Path
	if file, behind, found := strings.Cut(path, ":"); found && errors.Is(err.Err, fs.ErrNotExist) {
		if _, err := privilege.Stat(file); err == nil {
			p.Hint = "write rsa-sha256 or ed25519-sha256 in the place of " + behind + ", or nothing behind " + file
		}
	}
	if p.Hint == "" && strings.HasSuffix(p.Text, "Permission denied") {
		p.Hint = s.checker.reachHint(path)
	}
	return p
}

// lintLoad reads a key, and keeps it for the messages to come if it was read by the
// rights that they will have.
func (s *Store) lintLoad(name string, row Row) *Error {
	m := s.read(name, row)
	if m.failed != nil {
		return m.failed
	}
	if s.o.UID == os.Geteuid() {
		s.cache.put(idOf(row.Key), m, s.o.Now())
	}
	if err := m.fits(name, row); err != nil {
		return err
	}
	return nil
}

// lintNames tells of a row that signs and whose signatures are not what was meant.
func lintNames(e dataset.Pair, line int, row Row) *problem.Problem {
	domain, _, _ := strings.Cut(e.Value, ":")
	if _, found := withoutDot(strings.TrimSpace(domain)); found {
		return &problem.Problem{Line: line, Severity: problem.Warning, Text: problem.Quote(e.Key) +
			": domain " + problem.Quote(row.Domain+".") + " is used without the dot at its end",
			Hint: "write " + row.Domain}
	}
	text, hint := row.odd()
	if text == "" {
		return nil
	}
	return &problem.Problem{Line: line, Severity: problem.Warning, Text: problem.Quote(e.Key) + ": " + text, Hint: hint}
}

// lintPath finds a relative path that is not written as one: OpenDKIM takes it
// for key data.
func lintPath(key, path string) *problem.Problem {
	if path != "" || !strings.ContainsAny(key, "/.") || strings.Contains(key, "-----") || strings.HasPrefix(key, "age:") {
		return nil
	}
	if _, err := decodeBase64([]byte(key)); err == nil {
		return nil
	}
	return &problem.Problem{Severity: problem.Error, Text: "key " + guarded(key) + " is neither a path nor key data",
		Hint: "a path starts with /, ./ or ../"}
}

// lintUnsafe tells of a key that is used although it is not secure.
func (s *Store) lintUnsafe(name string, line int, row Row) *problem.Problem {
	at := s.o.Locate(row.Key)
	path := at.Path
	if path == "" || at.Credential || s.o.RequireSafeKeys || s.o.ReadFile != nil {
		return nil
	}
	unsafe, err := s.checker.Check(path)
	if err != nil || unsafe == nil {
		return nil
	}
	return &problem.Problem{Line: line, Severity: problem.Warning, Text: name + ": key data is not secure: " + unsafe.Words,
		Hint: unsafe.Remedy}
}

// lintReach tells of a key that can be read now, as root, and that the filter
// will not be able to read as the user it becomes.
func (s *Store) lintReach(name string, line int, row Row) *problem.Problem {
	at := s.o.Locate(row.Key)
	path := at.Path
	if path == "" || at.Credential || s.o.UID == os.Getuid() || s.o.ReadFile != nil {
		return nil
	}
	hint := s.checker.reachHint(path)
	if hint == "" {
		return nil
	}
	return &problem.Problem{Line: line, Severity: problem.Error, Text: cantLoad(name, path, "Permission denied", nil).Text +
		" (for the filter's user, uid " + strconv.Itoa(s.o.UID) + ")", Hint: hint}
}
