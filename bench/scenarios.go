//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// kind is what a scenario measures.
type kind int

const (
	throughput kind = iota
	idleMemory
	halfSentMemory
	startUp
	reload // start, and one reload: CPU of the start, memory of both
)

// scenario is one line of the table.
type scenario struct {
	name        string
	kind        kind
	set         setting
	connections int
	bytes       int
	verify      bool
	cold        bool // each message has a key of another name
	rows        int  // authors spread over so many domains
	only        []string
	without     []string
	long        bool // left out of a quick run
	most        int  // messages at most
	goal        string
	unsigned    bool // nothing is to be verified or signed: nobody needs the body
}

// setting is how a filter is set up.
type setting struct {
	tcp          bool
	rsa, ed25519 bool
	verify       bool
	table        string // "", "refile" or "file"
	rows         int
	keys         string // of the rows: "" the same file under every name, "each" a file of its own, "one" row for all
	mode         string // "" is sv
	bits         int    // of the RSA key; 0 is 2048
}

func (s scenario) fits(filter string) bool {
	if len(s.only) > 0 {
		return slices.Contains(s.only, filter)
	}
	return !slices.Contains(s.without, filter)
}

func scenarios() []scenario {
	rsa, tables := setting{rsa: true}, []string{"opendkim", "dojang"}
	var list []scenario
	for _, connections := range []int{1, 16, 100} {
		goal := ">= 10x opendkim, > 5x rspamd"
		if connections == 1 {
			goal = ">= 3x opendkim"
		}
		list = append(list, scenario{name: fmt.Sprintf("sign rsa 4kB c%d", connections), set: rsa,
			connections: connections, bytes: 4 << 10, goal: goal})
	}
	for _, connections := range []int{1, 16, 100} {
		list = append(list, scenario{name: fmt.Sprintf("sign rsa 100kB c%d", connections), set: rsa,
			connections: connections, bytes: 100 << 10, long: connections != 16})
	}
	for _, connections := range []int{1, 16, 100} {
		s := scenario{name: fmt.Sprintf("sign rsa 10MB c%d", connections), set: rsa, connections: connections,
			bytes: 10 << 20, long: connections != 1, without: []string{"dkimpy"}, goal: ">= 2.5x opendkim"}
		if connections == 100 { // others hold ten copies of each body
			s.only = tables
		}
		list = append(list, s)
	}
	list = append(list,
		scenario{name: "sign rsa 4kB tcp c1", set: setting{rsa: true, tcp: true}, connections: 1, bytes: 4 << 10, goal: ">= 40x opendkim"},
		scenario{name: "sign rsa 4kB tcp c16", set: setting{rsa: true, tcp: true}, connections: 16, bytes: 4 << 10},
		scenario{name: "sign ed25519 4kB c1", set: setting{ed25519: true}, connections: 1, bytes: 4 << 10},
		scenario{name: "sign ed25519 4kB c16", set: setting{ed25519: true}, connections: 16,
			bytes: 4 << 10, goal: ">= 18x opendkim, > 7x dkimpy"},
		scenario{name: "sign rsa+ed25519 4kB c16", set: setting{rsa: true, ed25519: true}, connections: 16, bytes: 4 << 10},
		scenario{name: "verify warm 4kB c1", set: setting{verify: true}, connections: 1, bytes: 4 << 10, verify: true},
		scenario{name: "verify warm 4kB c16", set: setting{verify: true}, connections: 16, bytes: 4 << 10,
			verify: true, goal: ">= 12x opendkim, > 8x rspamd"},
		scenario{name: "verify cold 4kB c16", set: setting{verify: true}, connections: 16, bytes: 4 << 10,
			verify: true, cold: true, most: 5000, goal: ">= 8x opendkim"},
	)
	for _, table := range []string{"refile", "file"} {
		for _, rows := range []int{10, 100, 1000, 10_000, 100_000, 1_000_000} {
			s := scenario{name: fmt.Sprintf("%s %d rows c16", table, rows), set: setting{rsa: true, table: table, rows: rows},
				connections: 16, bytes: 4 << 10, rows: rows, only: tables, long: rows > 1000}
			switch {
			case rows == 100_000 && table == "refile":
				s.goal = "as with 10 rows, < 100 MB"
			case rows == 1_000_000:
				s.only = []string{"dojang"}
			}
			list = append(list, s)
		}
	}
	list = append(list,
		scenario{name: "1000 idle connections", kind: idleMemory, set: rsa, connections: 1000, bytes: 4 << 10, goal: "< 8 kB each"},
		scenario{name: "1000 half-sent messages", kind: halfSentMemory, set: rsa, connections: 1000, bytes: 4 << 10, goal: "< 20 kB each"},
		scenario{name: "1000 half-sent 1MB messages", kind: halfSentMemory, set: rsa, connections: 1000,
			bytes: 1 << 20, goal: "< 20 kB each", long: true, only: tables},
	)
	list = append(list, large(tables)...)
	for _, rows := range []int{10, 1000, 100_000} {
		s := scenario{name: fmt.Sprintf("start-up, refile %d rows", rows), kind: startUp,
			set: setting{rsa: true, table: "refile", rows: rows}, only: tables, long: rows > 1000}
		if rows == 100_000 {
			s.goal = "< 0.3 s, < 100 MB"
		}
		list = append(list, s)
	}
	list = append(list, scenario{name: "start-up, file 1000000 rows", kind: startUp,
		set: setting{rsa: true, table: "file", rows: 1_000_000}, only: tables, long: true, goal: "<= 0.8x opendkim's CPU"})
	return append(list, scenario{name: "start-up, one key", kind: startUp, set: rsa})
}

// large are many domains and rows, mail that needs no body, and longer keys.
func large(tables []string) []scenario {
	var list []scenario
	const many = 100_000
	for _, keys := range []string{"each", "one"} {
		name := map[string]string{"each": "a key file each", "one": "one key"}[keys]
		set := setting{rsa: true, table: "file", rows: many, keys: keys}
		list = append(list, scenario{name: fmt.Sprintf("%d domains, %s c16", many, name), set: set,
			connections: 16, bytes: 1 << 10, rows: many, only: tables, long: true, goal: "<= 1.15x CPU of one domain, <= 300 MB"})
	}
	list = append(list, scenario{name: "1 domain 1kB c16", set: setting{rsa: true}, connections: 16,
		bytes: 1 << 10, only: tables, long: true})
	for mode, goal := range map[string]string{"v": "<= half of opendkim's CPU", "s": "<= opendkim's CPU",
		"sv": "<= half of opendkim's CPU"} {
		list = append(list, scenario{name: "no body needed 10MB, Mode " + mode, set: setting{rsa: mode != "v", verify: true, mode: mode},
			connections: 1, bytes: 10 << 20, unsigned: true, only: tables, goal: goal})
	}
	slices.SortFunc(list[len(list)-3:], func(a, b scenario) int { return strings.Compare(a.name, b.name) })
	for _, bits := range []int{1024, 3072, 4096} {
		list = append(list, scenario{name: fmt.Sprintf("sign rsa-%d 4kB c1", bits), set: setting{rsa: true, bits: bits},
			connections: 1, bytes: 4 << 10, only: tables})
	}
	for _, table := range []string{"file", "refile"} {
		list = append(list, scenario{name: "1000000 rows, start and reload, " + table, kind: reload,
			set: setting{rsa: true, table: table, rows: 1_000_000}, only: tables, long: true,
			goal: "0.8x opendkim's CPU, 220 MB, 400 MB with the reload"})
	}
	return list
}
