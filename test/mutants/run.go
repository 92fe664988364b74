package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxMemory of the tests of one change, in KiB of addresses: some fill a list for ever.
const maxMemory = 8 << 20

// quick is a test that is run before those that take longer.
const quick = 100 * time.Millisecond

// patience with a change that makes tests wait for what never comes, beyond four times
// what they take without it.
const patience = 3 * time.Second

// A reaching test and the changes that are in code which it runs.
type reaching struct {
	name    string
	took    time.Duration
	numbers map[string]bool
}

// tryAll makes the changes that were not noticed yet.
func (b binary) tryAll(switched []*mutant, tests []reaching, result map[*mutant]bool) {
	for _, m := range switched {
		number := strconv.Itoa(m.number)
		for _, slow := range []bool{false, true} {
			var names []string
			took := time.Duration(0)
			for _, t := range tests {
				if t.numbers[number] && t.took > quick == slow {
					names, took = append(names, t.name), took+t.took
				}
			}
			b.most = patience + 4*took
			result[m] = result[m] || len(names) > 0 && b.run("DOJANG_MUTANT="+number, names) != nil
		}
	}
}

// reach runs each test alone and with no change made, for what it reaches.
func (b binary) reach(file string) ([]reaching, error) {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return nil, err
	}
	list := exec.Command(path, "-test.list", ".")
	list.Dir = b.folder
	names, err := list.Output()
	if err != nil {
		return nil, err
	}
	var tests []reaching
	for name := range strings.FieldsSeq(string(names)) {
		if strings.HasPrefix(name, "Benchmark") {
			continue
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return nil, err
		}
		start := time.Now()
		err := b.run("DOJANG_MUTANTS_REACHED="+file, []string{name})
		if err != nil { // once may be the machine's fault
			err = b.run("DOJANG_MUTANTS_REACHED="+file, []string{name})
		}
		if err != nil {
			fmt.Printf("left out: %s of %s, which fails with no change made: %v\n", name, b.folder, err)
			continue
		}
		t := reaching{name: name, took: time.Since(start), numbers: map[string]bool{}}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for n := range strings.FieldsSeq(string(text)) {
			t.numbers[n] = true
		}
		tests = append(tests, t)
	}
	return tests, nil
}

// run runs some of the tests, all if none are named.
func (b binary) run(environment string, tests []string) error {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -v "$1" && shift && exec "$@"`, "sh", strconv.Itoa(maxMemory), path,
		"-test.short", "-test.failfast", "-test.timeout", b.most.String())
	if len(tests) > 0 {
		cmd.Args = append(cmd.Args, "-test.run", "^("+strings.Join(tests, "|")+")$")
	}
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), environment)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(b.most+time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	cmd.WaitDelay = time.Second
	if err := cmd.Wait(); err != nil {
		text := out.String()
		return fmt.Errorf("%w: %s", err, text[max(0, len(text)-2000):])
	}
	return nil
}
