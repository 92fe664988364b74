package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor"
	"dojang/internal/rotate"
	"dojang/internal/status"
)

// filter is the filter of this host.
type filter struct{ cfg *config.Config }

// Reload implements rotate.Filter. A filter whose tables are on a server looks there
// by itself.
func (f filter) Reload(ctx context.Context) error {
	_, keys := dataset.TextTableOf(f.cfg.KeyTable.Value)
	_, authors := dataset.TextTableOf(f.cfg.SigningTable.Value)
	if !keys && !authors && f.cfg.KeyTable.Value != "" {
		return nil
	}
	if f.cfg.MetricsSocket.IsSet() {
		report, err := app.AskReload(ctx, f.cfg.MetricsSocket.Value)
		if err == nil && !report.OK {
			err = fmt.Errorf("%w: %s", rotate.ErrReload, strings.Join(report.Problems, "\n"))
		}
		return err
	}
	before := f.lastReload(ctx)
	if _, err := app.SignalReload(f.cfg); err != nil {
		return err
	}
	return f.awaitReload(ctx, before)
}

func (f filter) lastReload(ctx context.Context) time.Time {
	if l := f.reloaded(ctx); l != nil {
		return l.Time
	}
	return time.Time{}
}

func (f filter) reloaded(ctx context.Context) *status.Reload {
	if !f.cfg.StatusSocket.IsSet() {
		return nil
	}
	c, err := status.NewClient(build.StatusAddress(f.cfg.StatusSocket.Value))
	if err != nil {
		return nil
	}
	server, err := c.Server(ctx)
	if err != nil {
		return nil
	}
	return server.LastReload
}

// reloadPatience is how long a filter that was signalled may take.
const reloadPatience = 30 * time.Second

// awaitReload waits until the filter says how a reload ended. One without StatusSocket
// says nothing: whether it signs with the new key tells.
func (f filter) awaitReload(ctx context.Context, before time.Time) error {
	if !f.cfg.StatusSocket.IsSet() {
		time.Sleep(time.Second)
		return nil
	}
	for end := time.Now().Add(reloadPatience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		l := f.reloaded(ctx)
		switch {
		case l == nil || !l.Time.After(before):
		case l.OK:
			return nil
		default:
			return fmt.Errorf("%w: %s", rotate.ErrReload, strings.Join(l.Problems, "; "))
		}
	}
	return errors.New("the filter does not say whether it has read its tables")
}

// Signs implements rotate.Filter.
func (f filter) Signs(ctx context.Context, author string) ([]string, error) {
	sockets := f.cfg.Sockets()
	if len(sockets) == 0 {
		return nil, errors.New("no Socket is set")
	}
	return doctor.Signers(ctx, sockets[0], author)
}
