// Command mutants changes one place of the code at a time and reports which changes no
// test notices: lines that run and are not asserted.
//
// The places are drawn by a seed from the packages of a message's way. All that are drawn
// from a package are compiled at once, by an overlay, so that the tree stays as it is;
// DOJANG_MUTANT says which of them is made when its short tests run, and those of packages
// above it whose tests hold it: of these, the tests that reach the place. A change is noticed
// where one of them fails with it, twice, and passes without. Changes that change nothing
// are named in equivalents.txt, with the reason.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A folder is a package of a message's way, and those whose tests hold it.
type folder struct {
	path  string
	tests []string
}

var way = []folder{
	{"header", []string{"header", "dkim"}},
	{"taglist", []string{"taglist", "dkim"}},
	{"authres", []string{"authres", "internal/policy"}},
	{"dkim", []string{"dkim"}},
	{"milter", []string{"milter", "internal/filter"}},
	{"internal/policy", []string{"internal/policy", "internal/script", "internal/filter"}},
	{"internal/message", []string{"internal/message", "internal/filter"}},
	{"internal/filter", []string{"internal/filter"}},
	{"internal/reputation", []string{"internal/reputation", "internal/filter"}},
	{"internal/keystore", []string{"internal/keystore"}},
	{"internal/keyrecord", []string{"internal/keyrecord", "internal/keycheck"}},
	{"internal/resolver", []string{"internal/resolver"}},
	{"internal/dataset", []string{"internal/dataset"}},
	{"internal/copied", []string{"internal/copied"}},
	{"internal/event", []string{"internal/event", "internal/policy", "internal/filter"}},
	{"internal/script", []string{"internal/script", "internal/filter"}},
	{"internal/report", []string{"internal/report", "internal/filter"}},
	{"internal/statistics", []string{"internal/statistics", "internal/filter"}},
	{"internal/logging", []string{"internal/logging", "internal/event"}},
	{"internal/plain", []string{"internal/plain", "internal/event"}},
	{"internal/bre", []string{"internal/bre", "internal/policy"}},
	{"internal/lru", []string{"internal/lru", "internal/resolver"}},
	{"internal/flight", []string{"internal/flight", "internal/resolver"}},
}

//go:embed equivalents.txt
var equivalents string

func main() {
	n := flag.Int("n", 400, "how many changes are tried")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "draws them")
	only := flag.String("only", "", "of files whose path has this in it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *n, *seed, *only); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int, seed uint64, only string) error {
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
	for _, name := range unknown(all, only) {
		fmt.Printf("equivalents.txt names what is no change: %s\n", name)
	}
	temporary, err := os.MkdirTemp("", "m") // short, as names of sockets must be
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	t := filepath.Join(temporary, "t") // as open to other users as the usual one is
	if err := errors.Join(os.Mkdir(t, 0o700), os.Chmod(t, 0o777|os.ModeSticky), os.Chmod(temporary, 0o711)); err != nil {
		return err
	}
	var sum counts
	for _, f := range way {
		drawn := slices.DeleteFunc(slices.Clone(all[:n]), func(m *mutant) bool { return filepath.Dir(m.file) != f.path })
		if len(drawn) == 0 {
			continue
		}
		c, err := f.try(ctx, drawn, temporary)
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		fmt.Printf("%-20s %s\n", f.path, c)
		sum.add(c)
	}
	fmt.Printf("%-20s %s\n", "all", sum)
	return nil
}

// counts are what became of changes.
type counts struct{ noticed, survive, equivalent, broken int }

// count counts a change that was made.
func (c *counts) count(m *mutant, noticed bool) {
	if noticed {
		c.noticed++
		return
	}
	c.survive++
	fmt.Printf("survives: %s:%d: %s\n", m.file, m.line, m)
}

func (c *counts) add(d counts) {
	c.noticed += d.noticed
	c.survive += d.survive
	c.equivalent += d.equivalent
	c.broken += d.broken
}

func (c counts) String() string {
	return fmt.Sprintf("%4d noticed, %3d survive: %5.1f %%; %d change nothing, %d do not compile",
		c.noticed, c.survive, 100*float64(c.noticed)/float64(max(1, c.noticed+c.survive)), c.equivalent, c.broken)
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

// unknown are the names among the known of files whose path has only in it that no change
// has.
func unknown(all []*mutant, only string) []string {
	names := known()
	for _, m := range all {
		delete(names, m.String())
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(names)), func(name string) bool {
		file, _, _ := strings.Cut(name, " ")
		return !strings.Contains(file, only)
	})
}

// mutants are all changes that could be made.
func mutants(only string) ([]*mutant, error) {
	var all []*mutant
	for _, f := range way {
		files, err := filepath.Glob(filepath.Join(f.path, "*.go"))
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
			all = append(all, found...)
		}
	}
	for i, m := range all {
		m.number = i + 1
	}
	return all, nil
}
