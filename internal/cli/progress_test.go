package cli

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"dojang/internal/plain"
)

// What is shown of work that takes long, also before its first part is done, and that
// nothing is of work that does not.
func TestProgress(t *testing.T) {
	for want, work := range map[string]func(*progress){
		"": func(p *progress) { p.step(); time.Sleep(progressAfter - 1) },
		"\r\x1b[K0 of 3 keys\r\x1b[K2 of 3 keys\r\x1b[K": func(p *progress) {
			time.Sleep(progressAfter + 1)
			p.step()
			p.step()
			time.Sleep(time.Second)
			p.end()
			p.step()
			time.Sleep(time.Second)
		},
		"\r\x1b[K7 of 9 keys\r\x1b[K": func(p *progress) { p.of(7, 9); time.Sleep(time.Minute) },
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := &progress{what: "keys", total: 3}
			p.show(&out)
			work(p)
			p.end()
			if out.String() != want {
				t.Errorf("%q, want %q", &out, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{what: "seconds of reading", begin: time.Now()}
		p.show(&out)
		time.Sleep(2500 * time.Millisecond)
		p.end()
		if got, want := out.String(), "\r\x1b[K1 seconds of reading\r\x1b[K2 seconds of reading\r\x1b[K"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestNoProgressInAPipe: nothing is shown where nobody looks, however long it takes.
func TestNoProgressInAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pipe bytes.Buffer
		s := Streams{Err: plain.NewWriter(&pipe), Out: io.Discard}
		p := s.progress("keys", 0)
		p.step()
		time.Sleep(time.Hour)
		p.end()
		s.during("seconds", func() { time.Sleep(time.Hour) })
		if pipe.Len() > 0 {
			t.Errorf("in a pipe: %q", &pipe)
		}
	})
}
