package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed switch.go.txt
var switchText string

// try makes each change and tells those that survive.
func (f folder) try(drawn []*mutant, temporary string) (counts, error) {
	same := known()
	var c counts
	var switched, constants []*mutant
	result := map[*mutant]bool{} // noticed
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
	left, take, err := f.trySwitched(switched, temporary, result)
	if err != nil {
		return c, err
	}
	c.broken += len(switched) - left
	for _, m := range constants {
		noticed, err := f.tryConstant(m, temporary, take)
		if err != nil {
			c.broken++
			continue
		}
		result[m] = noticed
	}
	for _, m := range drawn {
		switch noticed, tried := result[m]; {
		case noticed:
			c.noticed++
		case tried:
			c.survive++
			fmt.Printf("survives: %s:%d: %s\n", m.file, m.line, m)
		}
	}
	return c, nil
}

// tryConstant makes a change that the text must be compiled for. take says how long the
// tests of a folder take, where that was seen.
func (f folder) tryConstant(m *mutant, temporary string, take map[string]time.Duration) (noticed bool, err error) {
	for _, test := range f.tests {
		b := binary{path: filepath.Join(temporary, "constant.test"), folder: test, most: 2 * time.Minute}
		if took, ok := take[test]; ok {
			b.most = patience + 4*took
		}
		if _, err := b.compile(f, []*mutant{m}, temporary); err != nil {
			return false, err
		}
		if b.run("DOJANG_MUTANT=0", nil) != nil {
			return true, nil
		}
	}
	return false, nil
}

// trySwitched returns how many could be compiled, and how long the tests of each folder
// take.
func (f folder) trySwitched(switched []*mutant, temporary string, result map[*mutant]bool) (int, map[string]time.Duration, error) {
	take := map[string]time.Duration{}
	if len(switched) == 0 {
		return 0, take, nil
	}
	for i, test := range f.tests {
		b := binary{path: filepath.Join(temporary, fmt.Sprintf("switched%d.test", i)), folder: test, most: 5 * time.Minute}
		for {
			log, err := b.compile(f, switched, temporary)
			if err == nil {
				break
			}
			fewer := slices.DeleteFunc(slices.Clone(switched), func(m *mutant) bool { return blamed(log, m) })
			if len(fewer) == len(switched) {
				return 0, nil, fmt.Errorf("%w: %s", err, log)
			}
			switched = fewer
		}
		tests, err := b.reach(filepath.Join(temporary, "reached"))
		if err != nil {
			return 0, nil, fmt.Errorf("tests of %s: %w", test, err)
		}
		for _, t := range tests {
			take[test] += t.took
		}
		b.tryAll(switched, tests, result)
	}
	return len(switched), take, nil
}

var complaint = regexp.MustCompile(`(?m)^(?:\./)?([^:\s]+\.go):(\d+):`)

// blamed reports whether the compiler complains about a line of the change.
func blamed(log string, m *mutant) bool {
	for _, c := range complaint.FindAllStringSubmatch(log, -1) {
		line, _ := strconv.Atoi(c[2])
		if filepath.Base(c[1]) == filepath.Base(m.file) && m.line <= line && line <= m.lastLine {
			return true
		}
	}
	return false
}

// A binary has the tests of one package, compiled with the changes.
type binary struct {
	path, folder string
	most         time.Duration // more than that, and a change made the tests run for ever
}

func (b binary) compile(f folder, changes []*mutant, temporary string) (log string, err error) {
	replace := map[string]string{}
	for file, text := range changed(changes) {
		path, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replace[path] = filepath.Join(temporary, filepath.Base(file))
		if err := os.WriteFile(replace[path], text, 0o600); err != nil {
			return "", err
		}
	}
	own, err := filepath.Abs(filepath.Join(f.path, "mutant_switch.go"))
	if err != nil {
		return "", err
	}
	replace[own] = filepath.Join(temporary, "switch.go")
	most := 1
	for _, m := range changes {
		most = max(most, m.number+1)
	}
	text := strings.NewReplacer("PACKAGE", filepath.Base(f.path), "MOST", strconv.Itoa(most)).Replace(switchText)
	if err := os.WriteFile(replace[own], []byte(text), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(temporary, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "test", "-c", "-gcflags=-e", "-ldflags=-s -w", "-overlay", list, "-o", b.path, "./"+b.folder)
	out, err := cmd.CombinedOutput()
	return string(out), err
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
