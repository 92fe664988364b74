package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// noChange runs tests as they are.
const noChange = "DOJANG_MUTANT=0"

// A reaching test and the changes that are in code which it runs.
type reaching struct {
	name    string
	took    time.Duration
	numbers map[string]bool
}

// A binary has the tests of one package, compiled with changes.
type binary struct {
	path, folder string
	temporary    string
}

// notices reports whether tests fail with a change, that of b, made: those that fail must
// do so twice, and pass in plain, where none is made. A test that fails now and then, or
// that the machine had no time for, notices nothing.
func (b binary) notices(ctx context.Context, change string, plain binary, tests []reaching) (bool, error) {
	const tries = 3
	for try := range tries {
		patience := patience << try
		failing, err := b.run(ctx, change, tests, patience)
		if err == nil || ctx.Err() != nil {
			return false, ctx.Err()
		}
		if failing, err := plain.run(ctx, noChange, failing, patience); err != nil {
			fmt.Printf("once more: of %s fails with no change made: %s\n", b.folder, names(failing))
			continue
		}
		if _, err := b.run(ctx, change, failing, patience); err != nil && ctx.Err() == nil {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// reach runs each test alone and with no change made, for what it reaches.
func (b binary) reach(ctx context.Context) ([]reaching, error) {
	list := exec.CommandContext(ctx, b.path, "-test.list", ".")
	list.Dir = b.folder
	names, err := list.Output()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.temporary, "reached")
	var tests []reaching
	for name := range strings.FieldsSeq(string(names)) {
		if strings.HasPrefix(name, "Benchmark") {
			continue
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return nil, err
		}
		t := reaching{name: name, took: time.Minute, numbers: map[string]bool{}}
		start := time.Now()
		_, err := b.run(ctx, "DOJANG_MUTANTS_REACHED="+file, []reaching{t}, patience)
		if err != nil { // once may be the machine's fault
			_, err = b.run(ctx, "DOJANG_MUTANTS_REACHED="+file, []reaching{t}, patience)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			fmt.Printf("left out: %s of %s, which fails with no change made: %v\n", name, b.folder, err)
			continue
		}
		t.took = time.Since(start)
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

// run runs some of the tests and returns those that fail: all, where that cannot be told.
func (b binary) run(ctx context.Context, environment string, tests []reaching, patience time.Duration) (failing []reaching, err error) {
	most := patience // more than that, and a change made the tests run for ever
	for _, t := range tests {
		most += 4 * t.took
	}
	ctx, cancel := context.WithTimeout(ctx, most+time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `ulimit -v "$1" && shift && exec "$@"`, "sh", strconv.Itoa(maxMemory), b.path,
		"-test.short", "-test.failfast", "-test.timeout", most.String(), "-test.run", "^("+names(tests)+")$")
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), environment, "TMPDIR="+filepath.Join(b.temporary, "t"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return tests, err
	}
	err = cmd.Wait()
	if kill := cmd.Cancel(); kill != nil && !errors.Is(kill, syscall.ESRCH) { // what it started and left
		return tests, kill
	}
	if err == nil {
		return nil, nil
	}
	text := out.String()
	failing = failed(text, tests)
	return failing, fmt.Errorf("%w: %s", err, text[max(0, len(text)-2000):])
}

// names are those of tests, as "go test -run" wants them.
func names(tests []reaching) string {
	var list []string
	for _, t := range tests {
		list = append(list, t.name)
	}
	return strings.Join(list, "|")
}

// failure is the name of a test that failed, or that ran when the time was up.
var failure = regexp.MustCompile(`(?m)^(?:--- FAIL: |\t+)((?:Test|Fuzz|Example)\w*)`)

// failed are the tests that the output names as such, all where it names none.
func failed(output string, tests []reaching) []reaching {
	named := map[string]bool{}
	for _, f := range failure.FindAllStringSubmatch(output, -1) {
		named[f[1]] = true
	}
	some := slices.DeleteFunc(slices.Clone(tests), func(t reaching) bool { return !named[t.name] })
	if len(some) == 0 {
		return tests
	}
	return some
}
