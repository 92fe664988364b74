// Command corpus keeps what fuzzing has found. The go command collects the
// inputs that led it to new code in its cache, which no clone has; this copies
// those that reach what neither a target's seeds nor the inputs kept before
// reach into testdata/fuzz, where every `go test` runs them and every fuzzing
// starts from them.
//
//	make fuzz FUZZTIME=90s && make corpus
//
// Arguments are packages; without any, all of the module are looked at. It runs in
// the module's own folder.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	packages := os.Args[1:]
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	if err := run(".", packages); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// run keeps what was found in packages of the module in dir.
func run(dir string, packages []string) error {
	cache, err := golang(dir, "env", "GOCACHE")
	if err != nil {
		return err
	}
	list, err := golang(dir, append([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, packages...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(list) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		p := &pkg{path: path, dir: dir, cache: filepath.Join(strings.TrimSpace(cache), "fuzz", path)}
		if err := p.keepAll(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// pkg is a package that may have fuzz targets.
type pkg struct {
	path, dir string
	cache     string // what the go command collected for its targets
	binary    string // its tests, compiled to tell what they reach
	profile   string
}

func (p *pkg) keepAll() error {
	targets, err := p.targets()
	if err != nil || len(targets) == 0 {
		return err
	}
	temp, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	p.binary, p.profile = filepath.Join(temp, "test"), filepath.Join(temp, "profile")
	if _, err := golang(p.dir, "test", "-c", "-covermode=set", "-coverpkg="+module(p.path)+"/...", "-o", p.binary, p.path); err != nil {
		return err
	}
	for _, t := range targets {
		if err := p.keep(t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

func (p *pkg) targets() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, m := range fuzzTarget.FindAllSubmatch(source, -1) {
			targets = append(targets, string(m[1]))
		}
	}
	return targets, nil
}

// keep copies the inputs of a target that reach something new, the shortest
// first.
func (p *pkg) keep(target string) error {
	// Seeds, and what is kept already, are the subtests that are there now.
	reached, err := p.reaches(target, "")
	if err != nil {
		return err
	}
	inputs, err := bySize(filepath.Join(p.cache, target))
	if err != nil {
		return err
	}
	kept, tried := 0, 0
	for _, input := range inputs {
		added, err := p.try(target, input, reached)
		if err != nil {
			return err
		}
		tried++
		if added > 0 {
			kept++
		}
	}
	fmt.Printf("%s %s: %d of %d inputs kept\n", p.path, target, kept, tried)
	return nil
}

// try puts an input where the target finds it, and takes it away again unless
// it reaches what is not in reached. It returns how much that is.
func (p *pkg) try(target, input string, reached map[string]bool) (int, error) {
	folder := filepath.Join(p.dir, "testdata", "fuzz", target)
	kept := filepath.Join(folder, filepath.Base(input))
	if _, err := os.Stat(kept); err == nil {
		return 0, nil
	}
	text, err := os.ReadFile(input)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	if err := os.WriteFile(kept, text, 0o644); err != nil {
		return 0, err
	}
	blocks, err := p.reaches(target, filepath.Base(input))
	if err != nil {
		return 0, err // the input stays: it is a finding
	}
	added := 0
	for b := range blocks {
		if !reached[b] {
			reached[b] = true
			added++
		}
	}
	if added > 0 {
		return added, nil
	}
	if err := os.Remove(kept); err != nil {
		return 0, err
	}
	os.Remove(folder) // when it is empty
	return 0, nil
}

// reaches runs the target with one input, or with all that it has when input
// is empty, and returns the blocks of statements that were reached.
func (p *pkg) reaches(target, input string) (map[string]bool, error) {
	filter := "^" + target + "$"
	if input != "" {
		filter += "/^" + regexp.QuoteMeta(input) + "$"
	}
	run := exec.Command(p.binary, "-test.run", filter, "-test.coverprofile", p.profile)
	run.Dir = p.dir
	if out, err := run.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", filter, err, out)
	}
	profile, err := os.ReadFile(p.profile)
	if err != nil {
		return nil, err
	}
	blocks := map[string]bool{}
	for line := range strings.Lines(string(profile)) {
		if block, ok := strings.CutSuffix(strings.TrimSpace(line), " 1"); ok {
			blocks[block] = true
		}
	}
	return blocks, nil
}

// bySize lists the files in a folder, the shortest first. A folder that is not
// there has none.
func bySize(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return nil, err
	}
	size := map[string]int64{}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		size[f] = info.Size()
	}
	slices.SortStableFunc(files, func(a, b string) int { return int(size[a] - size[b]) })
	return files, nil
}

// module is the first element of a package's path: that of this module has no other.
func module(path string) string {
	name, _, _ := strings.Cut(path, "/")
	return name
}

func golang(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as Output returns it
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, exit.Stderr)
	}
	return string(out), err
}
