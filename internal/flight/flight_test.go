package flight

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func fail(err error) error { return err }

func TestPanicInWorkIsAnError(t *testing.T) {
	var g Group[string, error]
	got, err := g.Do(t.Context(), "k", time.Second, func(context.Context) error { panic("boom") }, fail)
	if err != nil || got == nil || !strings.Contains(got.Error(), "boom") || g.Len() != 0 {
		t.Errorf("%v, %v, %d", got, err, g.Len())
	}
}

// TestWhoStaysHasTheAnswer has the first caller give up while others wait, and all
// of them give up: work ends with the last waiter, unless it is detached.
func TestWhoStaysHasTheAnswer(t *testing.T) {
	for _, detached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := Group[string, error]{Detached: detached}
			runs, ended := 0, error(nil)
			work := func(ctx context.Context) error {
				runs++
				select {
				case <-ctx.Done():
					ended = ctx.Err()
				case <-time.After(10 * time.Second):
				}
				return ended
			}
			first, giveUp := context.WithCancel(t.Context())
			for i := range 5 {
				ctx := first
				if i > 0 {
					ctx = t.Context()
				}
				go func() {
					if _, err := g.Do(ctx, "k", time.Minute, work, fail); (err != nil) != (i == 0) {
						t.Errorf("caller %d: %v", i, err)
					}
				}()
			}
			synctest.Wait()
			if n := g.Waiters("k"); n != 5 || runs != 1 {
				t.Errorf("%d wait for %d runs", n, runs)
			}
			giveUp()
			time.Sleep(time.Minute)
			if runs != 1 || ended != nil || g.Len() != 0 || g.Waiters("k") != 0 {
				t.Errorf("%d runs, %v", runs, ended)
			}
			all, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			if _, err := g.Do(all, "k", time.Minute, work, fail); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			synctest.Wait()
			if (ended != nil) == detached || (g.Len() == 0) == detached {
				t.Errorf("detached %v: %v, %d under way", detached, ended, g.Len())
			}
			time.Sleep(time.Minute)
		})
	}
}

// TestWorkThatIsLeftIsNotJoined, however long it takes to end.
func TestWorkThatIsLeftIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		var runs atomic.Int32
		work := func(ctx context.Context) int { n := runs.Add(1); time.Sleep(10 * time.Second); return int(n) }
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		none := func(error) int { return 0 }
		if _, err := g.Do(short, "k", time.Minute, work, none); err == nil {
			t.Error("nobody left")
		}
		if got, err := g.Do(t.Context(), "k", time.Minute, work, none); got != 2 || err != nil || g.Len() != 0 {
			t.Errorf("joined the work of run %d, %v", got, err)
		}
	})
}

func TestLimitEndsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := Group[int, error]{Detached: true}
		start := time.Now()
		got, err := g.Do(t.Context(), 1, 3*time.Second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, fail)
		if err != nil || !errors.Is(got, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v, %v after %v", got, err, time.Since(start))
		}
	})
}
