package remote

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"dojang/internal/dataset"
)

// health is what is known of the server.
type health struct {
	down    bool
	err     error     // why
	retryAt time.Time // nobody asks before
	backoff time.Duration
}

func flightKey(columns int, keys ...string) string {
	return strconv.Itoa(columns) + "\x00" + strings.Join(keys, "\x00")
}

// fly asks the server with f, or waits for whoever is asking the same. The question
// outlives a caller that gives up: others may wait for it, and the cache
// learns the answer.
func (s *Set) fly(ctx context.Context, key string, f func(context.Context) error) error {
	s.mu.Lock()
	fl := s.flights[key]
	if fl == nil {
		if err := s.mayAsk(); err != nil {
			s.mu.Unlock()
			return err
		}
		fl = &flight{done: make(chan struct{})}
		s.flights[key] = fl
		// A deadline of the first caller must not bind those who wait with it.
		own := context.WithoutCancel(ctx)
		go s.ask(own, key, fl, f)
	}
	s.mu.Unlock()
	select {
	case <-fl.done:
		return fl.err
	case <-ctx.Done():
		return s.away(ctx.Err())
	}
}

// mayAsk says why the server is not to be asked now. One caller at the end of
// each pause is let through. s.mu is held.
func (s *Set) mayAsk() error {
	h := &s.health
	if !h.down {
		return nil
	}
	if now := s.o.Now(); now.Before(h.retryAt) {
		return s.away(h.err)
	} else {
		h.retryAt = now.Add(h.backoff)
	}
	return nil
}

func (s *Set) ask(ctx context.Context, key string, fl *flight, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	var err error
	select {
	case s.slots <- struct{}{}:
		s.mu.Lock()
		s.stats.Asked++
		s.mu.Unlock()
		err = f(ctx)
		<-s.slots
		s.settle(err)
	case <-ctx.Done():
		err = errors.New("too many questions are waiting for the server")
	}
	if err != nil && !errors.Is(err, dataset.ErrNotFound) {
		err = s.away(err)
	}
	s.mu.Lock()
	delete(s.flights, key)
	s.mu.Unlock()
	fl.err = err
	close(fl.done)
}

// settle notes whether the server answered.
func (s *Set) settle(err error) {
	var e *dataset.Error
	answered := err == nil || errors.As(err, &e) && !e.Temp
	s.mu.Lock()
	h := &s.health
	changed := h.down == answered
	if answered {
		*h = health{}
	} else {
		h.backoff = min(max(2*h.backoff, s.o.MinBackoff), s.o.MaxBackoff)
		h.down, h.err, h.retryAt = true, err, s.o.Now().Add(h.backoff)
	}
	s.mu.Unlock()
	switch {
	case !changed:
	case answered && s.o.OnUp != nil:
		s.o.OnUp(s.o.Name)
	case !answered && s.o.OnDown != nil:
		s.o.OnDown(s.o.Name, err)
	}
}
