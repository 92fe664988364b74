// Command mutants changes one place of the code at a time and reports which changes no
// test notices: lines that run and are not asserted.
//
// The places are drawn by a seed from the packages of a message's way. Each is compiled
// by an overlay, so that the tree stays as it is, and tried against the short tests of
// its package and, where those are another's, of that. Changes that change nothing are
// named in equivalents.txt, with the reason.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// way are the packages of a message's way, and those whose tests hold them.
var way = []struct {
	folder string
	tests  []string
}{
	{"header", []string{"./header", "./dkim"}},
	{"taglist", []string{"./taglist", "./dkim"}},
	{"authres", []string{"./authres"}},
	{"dkim", []string{"./dkim"}},
	{"milter", []string{"./milter"}},
	{"internal/policy", []string{"./internal/policy", "./internal/filter"}},
	{"internal/message", []string{"./internal/message", "./internal/filter"}},
	{"internal/filter", []string{"./internal/filter"}},
	{"internal/reputation", []string{"./internal/reputation", "./internal/filter"}},
	{"internal/keystore", []string{"./internal/keystore"}},
	{"internal/dataset", []string{"./internal/dataset"}},
	{"internal/copied", []string{"./internal/copied"}},
}

//go:embed equivalents.txt
var equivalents string

// maxTestTime bounds the tests of one change: one that makes them run for ever is noticed.
const maxTestTime = 2 * time.Minute

func main() {
	n := flag.Int("n", 400, "how many changes are tried")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "draws them")
	only := flag.String("only", "", "of files whose path has this in it")
	flag.Parse()
	if err := run(*n, *seed, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(n int, seed uint64, only string) error {
	all, err := mutants(only)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("there is nothing to change")
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n = min(n, len(all))
	fmt.Printf("%d of %d changes, seed %d\n", n, len(all), seed)
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	same := known()
	var killed, survived, equivalent int
	for i := range all[:n] {
		m := &all[i]
		if same[m.String()] {
			equivalent++
			continue
		}
		switch noticed, err := m.noticed(folder); {
		case err != nil:
			return err
		case noticed:
			killed++
		default:
			survived++
			fmt.Printf("survives: %s:%d: %s\n", m.file, m.line, m)
		}
	}
	fmt.Printf("%d noticed, %d survive, %d change nothing: %.1f %% of those that change something are noticed\n",
		killed, survived, equivalent, 100*float64(killed)/float64(max(1, killed+survived)))
	return nil
}

// known are the changes that change nothing.
func known() map[string]bool {
	same := map[string]bool{}
	for line := range strings.Lines(equivalents) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			same[line] = true
		}
	}
	return same
}

// mutants are all changes that could be made.
func mutants(only string) ([]mutant, error) {
	var all []mutant
	for _, p := range way {
		files, err := filepath.Glob(filepath.Join(p.folder, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || !strings.Contains(file, only) || !built(file) {
				continue
			}
			found, err := mutantsOf(file)
			if err != nil {
				return nil, err
			}
			for i := range found {
				found[i].tests = p.tests
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

// noticed reports whether a test fails by the change, or it does not compile.
func (m *mutant) noticed(folder string) (bool, error) {
	changed := filepath.Join(folder, "changed.go")
	if err := os.WriteFile(changed, m.text, 0o600); err != nil {
		return false, err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return false, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return false, err
	}
	list := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return false, err
	}
	for _, test := range m.tests {
		ctx, cancel := context.WithTimeout(context.Background(), maxTestTime)
		cmd := exec.CommandContext(ctx, "go", "test", "-short", "-failfast", "-vet=off", "-overlay", list, test)
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		cancel()
		if err != nil {
			return true, nil
		}
	}
	return false, nil
}
