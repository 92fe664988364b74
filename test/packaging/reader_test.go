package packaging

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"time"
)

// reader collects the lines of a program and tells when a certain one comes.
type reader struct {
	mu    sync.Mutex
	seen  strings.Builder
	lines chan string
}

func newReader(r io.Reader) *reader {
	c := &reader{lines: make(chan string, 1000)}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			c.mu.Lock()
			c.seen.WriteString(s.Text() + "\n")
			c.mu.Unlock()
			c.lines <- s.Text()
		}
	}()
	return c
}

// until reads on to the line; false when it does not come in time.
func (c *reader) until(line string, limit time.Duration) bool {
	timeout := time.After(limit)
	for {
		select {
		case got, ok := <-c.lines:
			if !ok || got == line {
				return ok
			}
		case <-timeout:
			return false
		}
	}
}

func (c *reader) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}
