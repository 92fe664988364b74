package rehearse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// direction says who sent octets.
type direction byte

const (
	fromMTA    direction = 'm'
	fromFilter direction = 'f'
	fromNobody direction = 'e' // on the last connection: no other follows it
)

// Limits of what waits for the watcher.
const (
	maxTapBytes   = 4 << 20         // of one connection
	maxTapsBytes  = 64 << 20        // of all
	tapIsHungTime = 2 * time.Minute // for one write to the watcher
)

// Taps hand copies of connections to the watcher.
type Taps struct {
	// Dial connects to the watcher that is there now.
	Dial func() (net.Conn, error)
	// Dropped is told of each connection that is no longer watched, and why.
	Dropped func(why string)

	held atomic.Int64 // octets that wait, of all connections
	open sync.WaitGroup
}

// Wait waits until every tap has handed over what it holds, or until ctx ends.
func (t *Taps) Wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { t.open.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// tap is one connection's copy. add and close never wait.
type tap struct {
	taps *Taps
	mu   sync.Mutex
	more *sync.Cond
	held []byte   // records that wait
	over bool     // nothing follows
	lost bool     // the connection is no longer watched
	conn net.Conn // to the watcher
}

func (t *Taps) start() *tap {
	p := &tap{taps: t}
	p.more = sync.NewCond(&p.mu)
	t.open.Go(p.run)
	return p
}

// add copies octets that pass. Where they do not fit, the connection is dropped.
func (p *tap) add(d direction, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost {
		return
	}
	n := int64(len(b) + 5)
	if all := p.taps.held.Add(n); all > maxTapsBytes || len(p.held)+int(n) > maxTapBytes {
		p.taps.held.Add(-n - int64(len(p.held)))
		p.lost, p.held = true, nil
		if p.conn != nil {
			_ = p.conn.SetWriteDeadline(time.Unix(1, 0)) // nothing is waited for any more
		}
		p.more.Signal()
		return
	}
	p.held = appendRecord(p.held, d, b)
	p.more.Signal()
}

func (p *tap) close() {
	p.mu.Lock()
	p.over = true
	p.more.Signal()
	p.mu.Unlock()
}

var errTooSlow = errors.New("dojang's half is too slow for this mail")

// run hands the records to the watcher.
func (p *tap) run() {
	err := p.copy()
	p.mu.Lock()
	p.lost = true
	p.taps.held.Add(-int64(len(p.held)))
	p.held = nil
	p.mu.Unlock()
	if err != nil {
		p.taps.Dropped(err.Error())
	}
}

func (p *tap) copy() error {
	conn, err := p.taps.Dial()
	if err != nil {
		return errors.New("dojang's half is not there")
	}
	defer conn.Close()
	var batch []byte
	for {
		p.mu.Lock()
		for len(p.held) == 0 && !p.over && !p.lost {
			p.more.Wait()
		}
		batch, p.held = p.held, batch[:0]
		over, lost := p.over, p.lost
		if p.conn = conn; !lost {
			err = conn.SetWriteDeadline(time.Now().Add(tapIsHungTime))
		}
		p.mu.Unlock()
		p.taps.held.Add(-int64(len(batch)))
		switch {
		case lost:
			return errTooSlow
		case len(batch) == 0 && over:
			return nil
		}
		if err != nil {
			return fmt.Errorf("dojang's half: %w", err)
		}
		if _, err := conn.Write(batch); errors.Is(err, os.ErrDeadlineExceeded) {
			return errTooSlow
		} else if err != nil {
			return errors.New("dojang's half broke off")
		}
	}
}

func appendRecord(to []byte, d direction, b []byte) []byte {
	to = binary.BigEndian.AppendUint32(append(to, byte(d)), uint32(len(b)))
	return append(to, b...)
}

// readRecord reads what appendRecord wrote.
func readRecord(r io.Reader, buffer []byte) (direction, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, buffer, err
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > maxTapBytes {
		return 0, buffer, fmt.Errorf("a record of %d octets", n)
	}
	if cap(buffer) < n {
		buffer = make([]byte, n)
	}
	buffer = buffer[:n]
	_, err := io.ReadFull(r, buffer)
	return direction(head[0]), buffer, err
}
