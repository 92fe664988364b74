package keystore

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"

	"dojang/internal/dataset"
	"dojang/internal/problem"
)

// Lint checks every row of the KeyTable and loads its key. A table that is not
// held in memory is not walked. When ctx ends, the rows left are not checked
// and a warning says how many.
func (s *Store) Lint(ctx context.Context) problem.List {
	const option = "KeyTable"
	local, ok := s.table.(dataset.Local)
	if !ok {
		return nil
	}
	list := dataset.Lint{Option: option}.Table(ctx, s.table, 3)
	var entries []dataset.Entry
	_ = local.Walk(context.Background(), func(e dataset.Entry) error {
		if len(e.Values) >= 3 {
			entries = append(entries, e)
		}
		return nil
	})
	results := make([]*problem.Problem, len(entries))
	var next sync.Mutex
	taken, unchecked := 0, 0
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				next.Lock()
				i := taken
				taken++
				next.Unlock()
				if i >= len(entries) {
					return
				}
				if ctx.Err() != nil {
					next.Lock()
					unchecked++
					next.Unlock()
					continue
				}
				results[i] = s.lintRow(entries[i])
			}
		})
	}
	workers.Wait()
	for _, p := range results {
		if p != nil {
			p.File, p.Option = local.Source(), option
			list = append(list, *p)
		}
	}
	if unchecked > 0 {
		list.Addf(problem.Warning, local.Source(), 0, option, "dojang config check takes the time it needs", "%d keys were not checked: there was no time left", unchecked)
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Line < list[j].Line })
	return list
}

// lintRow returns what is wrong with a row and its key, nil when nothing is.
func (s *Store) lintRow(e dataset.Entry) *problem.Problem {
	row, err := ParseRow(e.Values)
	if err != nil {
		hint := "write domain:selector:/path/of/the/key behind the name"
		var wrong *rowError
		if errors.As(err, &wrong) {
			hint = wrong.hint
		}
		return &problem.Problem{Line: e.Line, Severity: problem.Error, Text: problem.Quote(e.Key) + ": " + err.Error(), Hint: hint}
	}
	if strings.Contains(row.Key, "%") {
		return nil // which file depends on the sender
	}
	if p := lintPath(row.Key, s.o.Locate(row.Key).Path); p != nil {
		p.Line = e.Line
		return p
	}
	_, _, err = s.read(e.Key, row)
	if err == nil {
		if p := s.lintUnsafe(e, row); p != nil {
			return p
		}
		if p := s.lintReach(e, row); p != nil {
			return p
		}
		return lintDot(e, row)
	}
	p := &problem.Problem{Line: e.Line, Severity: problem.Error, Text: err.Error()}
	var failure *Error
	if errors.As(err, &failure) {
		p.Hint = failure.Hint
	}
	if p.Hint == "" && strings.HasSuffix(p.Text, "Permission denied") {
		p.Hint = s.checker.reachHint(s.o.Locate(row.Key).Path)
	}
	return p
}

// lintDot tells of a domain that is written as in a zone file.
func lintDot(e dataset.Entry, row Row) *problem.Problem {
	domain, _, _ := strings.Cut(e.Values[0], ":")
	if _, found := withoutDot(strings.TrimSpace(domain)); !found {
		return nil
	}
	return &problem.Problem{Line: e.Line, Severity: problem.Warning, Text: problem.Quote(e.Key) + ": domain " + problem.Quote(row.Domain+".") + " is used without the dot at its end",
		Hint: "write " + row.Domain}
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
func (s *Store) lintUnsafe(e dataset.Entry, row Row) *problem.Problem {
	at := s.o.Locate(row.Key)
	path := at.Path
	if path == "" || at.Credential || s.o.RequireSafeKeys || s.o.ReadFile != nil {
		return nil
	}
	unsafe, err := s.checker.Check(path)
	if err != nil || unsafe == nil {
		return nil
	}
	return &problem.Problem{Line: e.Line, Severity: problem.Warning, Text: e.Key + ": key data is not secure: " + unsafe.Words, Hint: unsafe.Remedy}
}

// lintReach tells of a key that can be read now, as root, and that the filter
// will not be able to read as the user it becomes.
func (s *Store) lintReach(e dataset.Entry, row Row) *problem.Problem {
	at := s.o.Locate(row.Key)
	path := at.Path
	if path == "" || at.Credential || s.o.UID == os.Geteuid() || s.o.ReadFile != nil {
		return nil
	}
	hint := s.checker.reachHint(path)
	if hint == "" {
		return nil
	}
	return &problem.Problem{Line: e.Line, Severity: problem.Error, Text: cantLoad(e.Key, path, "Permission denied", nil).Text + " (for the filter's user, uid " + strconv.Itoa(s.o.UID) + ")", Hint: hint}
}
