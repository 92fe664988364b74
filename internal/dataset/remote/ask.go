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

// fly asks the server with f, or waits for whoever is asking the same.
func (s *Set) fly(ctx context.Context, key string, f func(context.Context) error) error {
	failed := func(err error) error { return s.away(err) }
	err, gaveUp := s.flights.Do(ctx, key, s.o.Timeout, func(ctx context.Context) error { return s.ask(ctx, f) }, failed)
	if gaveUp != nil {
		return s.away(ctx.Err())
	}
	return err
}

// mayAsk says why the server is not to be asked now. One caller at the end of
// each pause is let through.
func (s *Set) mayAsk() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.health
	if !h.down {
		return nil
	}
	now := s.o.Now()
	if now.Before(h.retryAt) {
		return s.away(h.err)
	}
	h.retryAt = now.Add(h.backoff)
	return nil
}

// ask asks the server when it is this question's turn.
func (s *Set) ask(ctx context.Context, f func(context.Context) error) error {
	if err := s.mayAsk(); err != nil {
		return err
	}
	var err error
	select {
	case s.slots <- struct{}{}:
		err = f(ctx)
		<-s.slots
		s.settle(err)
	case <-ctx.Done():
		err = errors.New("too many questions are waiting for the server")
	}
	if err != nil && !errors.Is(err, dataset.ErrNotFound) {
		err = s.away(err)
	}
	return err
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
