//go:build linux

// Command bench runs Debian's opendkim, dkimpy-milter, rspamd (with nothing but
// DKIM) and dojang in turn, each on one core and the load on another, and prints
// one table of what they bear and how that compares. docs/performance.md
// explains the columns and says how to repeat its figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type options struct {
	quick          bool
	rounds         int
	seconds        float64
	only           *regexp.Regexp
	filters        []string
	filterCPU, cpu int
	nice           int
	dojang         string
	keep           bool
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.BoolVar(&o.quick, "quick", false, "one short round of each scenario, without the long tables")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; in each every filter runs every scenario")
	f.Float64Var(&o.seconds, "seconds", 2, "how long one measurement lasts, about")
	only := f.String("only", "", "only scenarios whose name matches this regular expression")
	filters := f.String("filters", "opendkim,dkimpy,rspamd,dojang", "which filters, in this order")
	f.IntVar(&o.filterCPU, "filter-cpu", 0, "core that the filter runs on")
	f.IntVar(&o.cpu, "load-cpu", 1, "core that the load runs on")
	f.IntVar(&o.nice, "nice", 0, "niceness of filter and load; below 0 (root) keeps a busy machine's other work out")
	f.StringVar(&o.dojang, "dojang", "bin/dojang", "our binary")
	f.BoolVar(&o.keep, "keep", false, "keep the working folder with configurations and logs")
	f.Parse(args) //nolint:errcheck // it exits
	if o.quick {
		o.rounds, o.seconds = 1, 0.5
	}
	o.filters = strings.Split(*filters, ",")
	var err error
	if *only != "" {
		o.only, err = regexp.Compile(*only)
	}
	return o, err
}

func run(ctx context.Context, o options) error {
	// Key files below a folder that others may write to, as /tmp is, are refused.
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "dojang-bench-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(os.Stderr, "working folder:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	site, err := newSite(dir)
	if err != nil {
		return err
	}
	defer site.close()
	if err := settleOn(o.cpu, o.nice); err != nil {
		return err
	}
	filters := available(o, site)
	scenarios := chosen(o)
	results := results{}
	for round := range o.rounds {
		for _, s := range scenarios {
			for _, f := range filters {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if !s.fits(f.name()) || round > 0 && (s.kind == idleMemory || s.kind == halfSentMemory) {
					continue
				}
				begin := time.Now()
				sample, err := measure(ctx, o, site, f, s)
				if err != nil {
					fmt.Fprintf(os.Stderr, "round %d  %-28s %-9s failed: %s\n", round+1, s.name, f.name(), err)
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d  %-28s %-9s %s  (%.1fs)\n", round+1, s.name, f.name(), sample, time.Since(begin).Seconds())
				results.add(s.name, f.name(), sample)
			}
		}
	}
	results.print(os.Stdout, scenarios, filters, machine())
	return nil
}

// settleOn moves this process, the load, to its core. The Go runtime has counted
// the cores before: it is told.
func settleOn(cpu, nice int) error {
	var set unix.CPUSet
	set.Set(cpu)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			return fmt.Errorf("core %d for the load: %w", cpu, err)
		}
		if nice != 0 {
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err != nil {
				return fmt.Errorf("niceness %d: %w", nice, err)
			}
		}
	}
	setProcs(1)
	return nil
}

func chosen(o options) []scenario {
	var list []scenario
	for _, s := range scenarios() {
		if o.only != nil && !o.only.MatchString(s.name) || o.quick && s.long && o.only == nil {
			continue
		}
		list = append(list, s)
	}
	return list
}

// machine describes what the figures were taken on.
func machine() string {
	model := "unknown processor"
	flags := ""
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			name, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(name) {
			case "model name":
				model = strings.TrimSpace(value)
			case "flags":
				if strings.Contains(value, "avx512ifma") {
					flags = " with AVX-512 IFMA"
				}
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%s%s; load average at the end %s", model, flags, strings.Join(strings.Fields(string(load))[:3], " "))
}
