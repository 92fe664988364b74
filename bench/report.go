//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// results are samples by scenario and filter.
type results map[string]map[string][]sample

func (r results) add(scenario, filter string, s sample) {
	if r[scenario] == nil {
		r[scenario] = map[string][]sample{}
	}
	r[scenario][filter] = append(r[scenario][filter], s)
}

// best takes the highest rate and the least of everything else: what else runs on
// a machine only ever makes a figure worse, for each filter alike.
func best(list []sample) sample {
	m := list[0]
	for _, s := range list[1:] {
		m.rate = max(m.rate, s.rate)
		m.cpu, m.startUp = min(m.cpu, s.cpu), min(m.startUp, s.startUp)
		m.p50, m.p99, m.p999 = min(m.p50, s.p50), min(m.p99, s.p99), min(m.p999, s.p999)
		m.peak, m.each, m.reloaded = min(m.peak, s.peak), min(m.each, s.each), min(m.reloaded, s.reloaded)
		m.errors += s.errors
	}
	return m
}

// print writes the table in Markdown. Ratios are how many times better dojang is
// than that filter: by messages a second, and by processor time a message.
func (r results) print(w io.Writer, scenarios []scenario, filters []filter, machine string) {
	fmt.Fprintf(w, "%s\n\n", machine)
	fmt.Fprintln(w, "| scenario | filter | messages/s | CPU ms | p50 ms | p99 ms | p999 ms | peak MB | dojang: rate | dojang: CPU | goal |")
	fmt.Fprintln(w, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
	for _, s := range scenarios {
		if s.kind != throughput {
			continue
		}
		ours, have := r.of(s.name, "dojang")
		for _, f := range filters {
			m, ok := r.of(s.name, f.name())
			if !ok {
				continue
			}
			rate, cpu, goal := "", "", s.goal
			if have && f.name() != "dojang" {
				rate, cpu = ratio(ours.rate, m.rate), ratio(float64(m.cpu), float64(ours.cpu))
			}
			if f.name() != "dojang" {
				goal = ""
			}
			fmt.Fprintf(w, "| %s | %s | %.0f | %s | %s | %s | %s | %.0f | %s | %s | %s |\n", s.name,
				f.name(), m.rate, ms(m.cpu), ms(m.p50), ms(m.p99), ms(m.p999), float64(m.peak)/1e6, rate, cpu, goal)
		}
	}
	r.printMemory(w, scenarios, filters)
}

func (r results) printMemory(w io.Writer, scenarios []scenario, filters []filter) {
	var names []string
	for _, f := range filters {
		names = append(names, f.name())
	}
	fmt.Fprintf(w, "\n| scenario | %s | goal |\n|---|%s---|\n", strings.Join(names, " | "), strings.Repeat("--:|", len(names)))
	for _, s := range scenarios {
		if s.kind == throughput || r[s.name] == nil {
			continue
		}
		fmt.Fprintf(w, "| %s |", s.name)
		for _, name := range names {
			m, ok := r.of(s.name, name)
			switch {
			case !ok:
				fmt.Fprint(w, " |")
			case s.kind == reload:
				fmt.Fprintf(w, " %.2f s CPU, %s, with a reload %s |", m.cpu.Seconds(), megabytes(m.peak), megabytes(m.reloaded))
			case s.kind == startUp:
				fmt.Fprintf(w, " %.0f ms, %s |", m.startUp.Seconds()*1000, megabytes(m.peak))
			default:
				fmt.Fprintf(w, " %.1f kB |", float64(m.each)/1000)
			}
		}
		fmt.Fprintf(w, " %s |\n", s.goal)
	}
}

func (r results) of(scenario, filter string) (sample, bool) {
	list := r[scenario][filter]
	if len(list) == 0 {
		return sample{}, false
	}
	return best(list), true
}

func ratio(a, b float64) string {
	if b <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1fx", a/b)
}

func ms(d time.Duration) string {
	v := d.Seconds() * 1000
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
