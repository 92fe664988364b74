//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"dojang/internal/loadgen"
	"dojang/milter"
)

// sample is one measurement.
type sample struct {
	rate           float64       // messages a second
	cpu            time.Duration // of the filter, a message
	p50, p99, p999 time.Duration
	peak           int64 // octets of memory at its height
	each           int64 // octets of memory a connection
	startUp        time.Duration
	reloaded       int64 // peak after a reload
	errors         int
}

func (s sample) String() string {
	switch {
	case s.reloaded > 0:
		return fmt.Sprintf("up with %s CPU, %s; after a reload %s", s.cpu.Round(time.Millisecond), megabytes(s.peak), megabytes(s.reloaded))
	case s.startUp > 0:
		return fmt.Sprintf("up in %s, %s", s.startUp.Round(time.Millisecond), megabytes(s.peak))
	case s.each > 0:
		return fmt.Sprintf("%.1f kB each", float64(s.each)/1000)
	}
	text := fmt.Sprintf("%.0f/s  cpu %s  p50 %s p99 %s p999 %s  %s", s.rate, s.cpu.Round(time.Microsecond),
		s.p50.Round(time.Microsecond), s.p99.Round(time.Microsecond), s.p999.Round(time.Microsecond), megabytes(s.peak))
	if s.errors > 0 {
		text += fmt.Sprintf("  %d ERRORS", s.errors)
	}
	return text
}

func measure(ctx context.Context, o options, s *site, f filter, sc scenario) (sample, error) {
	p, err := f.start(ctx, o, s, sc.set)
	if err != nil {
		return sample{}, err
	}
	defer p.stop()
	if o.nice != 0 {
		p.renice(o.nice)
	}
	switch sc.kind {
	case idleMemory, halfSentMemory:
		return hold(p, sc)
	case startUp:
		return sample{startUp: p.startUp, peak: p.memory("VmHWM")}, nil
	case reload:
		return reloaded(ctx, p), nil
	case throughput:
	}
	run, err := s.load(p, sc)
	if err != nil {
		return sample{}, err
	}
	return drive(ctx, o, p, sc, run)
}

// load is what a scenario sends.
func (s *site) load(p *process, sc scenario) (loadgen.Options, error) {
	run := loadgen.Options{Network: p.network, Address: p.address, Connections: sc.connections, Message: envelope(sc.verify)}
	switch {
	case sc.unsigned:
		// Mail to be signed is a stranger's, mail to be verified has no signature.
		run.Message.Addr.Addr = netip.MustParseAddr("192.0.2.1")
		run.Raws = [][]byte{loadgen.Message("joe@elsewhere.example", sc.bytes)}
		return run, nil
	case sc.verify:
		n := 1
		if sc.cold {
			n = sc.most
		}
		list, err := s.signedMessages(n, sc.bytes, sc.cold)
		run.Raws, run.Expect, run.Contains = list, "Authentication-Results", "dkim=pass"
		return run, err
	case sc.set.keys != "":
		mix := loadgen.Mix{Sign: 1, From: "joe@d%d.example", Domains: sc.rows, BodyBytes: sc.bytes}
		run.Make = mix.Maker()
	case sc.rows > 0:
		for i := range 64 { // spread over the table
			run.Raws = append(run.Raws, loadgen.Message("joe@"+rowDomain(i*sc.rows/64), sc.bytes))
		}
	default:
		run.Raws = [][]byte{loadgen.Message(author, sc.bytes)}
	}
	run.Expect = "DKIM-Signature"
	if sc.set.ed25519 {
		run.Contains = "a=ed25519-sha256"
	}
	return run, nil
}

func envelope(stranger bool) milter.Message {
	m := milter.Message{Macros: map[string]string{"j": "bench.invalid", "daemon_name": "bench"}}
	m.Host, m.From, m.Rcpts = "bench.invalid", author, []string{"bench@example.org"}
	m.Addr = milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1"), Port: 25}
	if stranger {
		m.Addr.Addr = netip.MustParseAddr("192.0.2.1")
	}
	return m
}

// drive warms the filter, finds out how many messages fill the time, and
// measures that many.
func drive(ctx context.Context, o options, p *process, sc scenario, run loadgen.Options) (sample, error) {
	warm := run
	warm.Messages = max(2*sc.connections, 8)
	if sc.cold {
		warm.Raws = nil // nothing that is measured may be known before
		warm.Message.Raw, warm.Expect = loadgen.Message(author, sc.bytes), ""
	}
	if sc.bytes > 1<<20 {
		warm.Messages, warm.Connections = 2, min(sc.connections, 2)
	}
	first, err := loadgen.Run(ctx, warm)
	if err != nil {
		return sample{}, err
	}
	if first.Errors > 0 {
		return sample{}, fmt.Errorf("%d of %d messages failed: %w", first.Errors, first.Messages, first.FirstError)
	}
	run.Duration = time.Duration(o.seconds * float64(time.Second))
	run.Messages = sc.most
	before := p.cpu()
	r, err := loadgen.Run(ctx, run)
	used := p.cpu() - before
	if err != nil {
		return sample{}, err
	}
	if r.Messages == 0 {
		return sample{}, fmt.Errorf("no message was answered: %w", r.FirstError)
	}
	if r.Errors*100 > r.Messages {
		return sample{}, fmt.Errorf("%d of %d messages failed: %w", r.Errors, r.Messages, r.FirstError)
	}
	return sample{rate: r.Rate(), cpu: used / time.Duration(r.Messages), p50: r.P50, p99: r.P99,
		p999: r.P999, peak: p.memory("VmHWM"), errors: r.Errors}, nil
}

// quiet is how long nothing is sent before memory is looked at: connections that
// wait do so for seconds or minutes, and a filter may tidy up meanwhile.
const quiet = 13 * time.Second

// hold measures what a connection that says nothing more keeps in memory.
func hold(p *process, sc scenario) (sample, error) {
	message := envelope(false)
	message.Raw = loadgen.Message(author, sc.bytes)
	message.Macros["i"] = "HOLD"
	warm, err := loadgen.Hold(p.network, p.address, 16, &message, loadgen.Idle)
	if err != nil {
		return sample{}, err
	}
	warm.Close()
	time.Sleep(quiet)
	before := p.memory("VmRSS")
	state := loadgen.Idle
	if sc.kind == halfSentMemory {
		state = loadgen.HalfSent
	}
	held, err := loadgen.Hold(p.network, p.address, sc.connections, &message, state)
	if err != nil {
		return sample{}, err
	}
	defer held.Close()
	time.Sleep(quiet)
	return sample{each: max(1, (p.memory("VmRSS")-before)/int64(sc.connections))}, nil
}

// reloaded has the filter read everything again, and waits until it is at rest.
func reloaded(ctx context.Context, p *process) sample {
	m := sample{cpu: p.cpu(), peak: p.memory("VmHWM")}
	_ = unix.Kill(p.cmd.Process.Pid, unix.SIGUSR1) // it runs: it has been asked for its memory
	for before := m.cpu; ctx.Err() == nil; {
		time.Sleep(1500 * time.Millisecond)
		now := p.cpu()
		if now-before < 20*time.Millisecond {
			break
		}
		before = now
	}
	m.reloaded = p.memory("VmHWM")
	return m
}
