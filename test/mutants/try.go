package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed switch.go.txt
var switchText string

// A subject is the tests of one folder, compiled with the changes that can be switched.
type subject struct {
	binary
	tests []reaching
}

// try makes each change and names those that survive.
func (f folder) try(ctx context.Context, drawn []*mutant, temporary string) (counts, error) {
	same := known()
	var c counts
	var switched, constants []*mutant
	for _, m := range drawn {
		switch {
		case same[m.String()]:
			c.equivalent++
		case m.constant:
			constants = append(constants, m)
		default:
			switched = append(switched, m)
		}
	}
	subjects, broken, err := f.subjects(ctx, switched, temporary)
	if err != nil {
		return c, err
	}
	for _, m := range switched {
		if broken[m] {
			c.broken++
			continue
		}
		noticed, err := notice(ctx, m, subjects)
		if err != nil {
			return c, err
		}
		c.count(m, noticed)
	}
	for _, m := range constants {
		noticed, err := f.noticeConstant(ctx, m, subjects)
		var failed *compileError
		switch {
		case errors.As(err, &failed):
			fmt.Printf("does not compile: %s: %s\n", m, failed.log)
			c.broken++
		case err != nil:
			return c, err
		default:
			c.count(m, noticed)
		}
	}
	return c, nil
}

// notice makes a change that is switched on, for the tests that reach it: quick ones
// first.
func notice(ctx context.Context, m *mutant, subjects []subject) (bool, error) {
	number := strconv.Itoa(m.number)
	for _, s := range subjects {
		for _, slow := range []bool{false, true} {
			tests := slices.DeleteFunc(slices.Clone(s.tests), func(t reaching) bool {
				return !t.numbers[number] || t.took > quick != slow
			})
			if len(tests) == 0 {
				continue
			}
			if noticed, err := s.notices(ctx, "DOJANG_MUTANT="+number, s.binary, tests); noticed || err != nil {
				return noticed, err
			}
		}
	}
	return false, nil
}

// noticeConstant makes a change that the text must be compiled for.
func (f folder) noticeConstant(ctx context.Context, m *mutant, subjects []subject) (bool, error) {
	for _, s := range subjects {
		b := s.binary
		b.path += ".constant"
		if err := b.compile(ctx, f, []*mutant{m}); err != nil {
			return false, err
		}
		if noticed, err := b.notices(ctx, noChange, s.binary, s.tests); noticed || err != nil {
			return noticed, err
		}
	}
	return false, nil
}

// subjects also returns the changes that cannot be compiled.
func (f folder) subjects(ctx context.Context, switched []*mutant, temporary string) ([]subject, map[*mutant]bool, error) {
	var subjects []subject
	broken := map[*mutant]bool{}
	for i, test := range f.tests {
		s := subject{binary: binary{path: filepath.Join(temporary, fmt.Sprintf("%d.test", i)), folder: test, temporary: temporary}}
		for {
			err := s.compile(ctx, f, slices.DeleteFunc(slices.Clone(switched), func(m *mutant) bool { return broken[m] }))
			if err == nil {
				break
			}
			var failed *compileError
			before := len(broken)
			if errors.As(err, &failed) {
				for _, m := range switched {
					if failed.blames(m) {
						broken[m] = true
					}
				}
			}
			if len(broken) == before {
				return nil, nil, err
			}
		}
		var err error
		if s.tests, err = s.reach(ctx); err != nil {
			return nil, nil, fmt.Errorf("tests of %s: %w", test, err)
		}
		subjects = append(subjects, s)
	}
	return subjects, broken, nil
}

// A compileError is what the compiler says against a change.
type compileError struct{ log string }

func (e *compileError) Error() string { return e.log }

var complaint = regexp.MustCompile(`(?m)^(?:\./)?([^:\s]+\.go):(\d+):`)

// blames reports whether the compiler complains about a line of the change.
func (e *compileError) blames(m *mutant) bool {
	for _, c := range complaint.FindAllStringSubmatch(e.log, -1) {
		line, _ := strconv.Atoi(c[2])
		if filepath.Base(c[1]) == filepath.Base(m.file) && m.line <= line && line <= m.lastLine {
			return true
		}
	}
	return false
}

func (b binary) compile(ctx context.Context, f folder, changes []*mutant) error {
	replace := map[string]string{}
	for file, text := range changed(changes) {
		path, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		replace[path] = filepath.Join(b.temporary, filepath.Base(file))
		if err := os.WriteFile(replace[path], text, 0o600); err != nil {
			return err
		}
	}
	own, err := filepath.Abs(filepath.Join(f.path, "mutant_switch.go"))
	if err != nil {
		return err
	}
	replace[own] = filepath.Join(b.temporary, "switch.go")
	most := 1
	for _, m := range changes {
		most = max(most, m.number+1)
	}
	text := strings.NewReplacer("PACKAGE", filepath.Base(f.path), "MOST", strconv.Itoa(most)).Replace(switchText)
	if err := os.WriteFile(replace[own], []byte(text), 0o600); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	list := filepath.Join(b.temporary, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-gcflags=-e", "-ldflags=-s -w", "-overlay", list, "-o", b.path, "./"+b.folder)
	out, err := cmd.CombinedOutput()
	if complaint.Match(out) {
		return &compileError{string(out)}
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// changed are the texts of the files with all changes in them.
func changed(changes []*mutant) map[string][]byte {
	edits := map[string][]edit{}
	inOrder := slices.SortedFunc(slices.Values(changes), func(a, b *mutant) int { return a.number - b.number })
	for _, m := range inOrder { // as they were found, what is outside first
		for _, e := range m.edits {
			if !m.constant {
				e.text = strings.Replace(e.text, "%d", strconv.Itoa(m.number), 1)
			}
			edits[m.file] = append(edits[m.file], e)
		}
	}
	texts := map[string][]byte{}
	for file, list := range edits {
		texts[file] = apply(file, list)
	}
	return texts
}

func apply(file string, list []edit) []byte {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	opening := slices.Clone(list)
	slices.SortStableFunc(opening, func(a, b edit) int {
		if a.start != b.start {
			return a.start - b.start
		}
		if a.closes != b.closes { // what ends here ends before the next begins
			return map[bool]int{true: -1, false: 1}[a.closes]
		}
		return 0
	})
	var out bytes.Buffer
	at := 0
	for i := 0; i < len(opening); {
		j := i
		for j < len(opening) && opening[j].start == opening[i].start && opening[j].closes == opening[i].closes {
			j++
		}
		if opening[i].closes {
			slices.Reverse(opening[i:j]) // the innermost is closed first
		}
		for ; i < j; i++ {
			out.Write(source[at:opening[i].start])
			out.WriteString(opening[i].text)
			at = opening[i].end
		}
	}
	out.Write(source[at:])
	return out.Bytes()
}
