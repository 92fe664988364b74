package cluster

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// ways are how Postfix finds the filters. A list in smtpd_milters would have each of
// them sign; the addresses of one name are tried in turn.
var ways = []struct{ name, address, milters string }{
	{"balancer", "127.0.0.1:2525", "inet:" + host + ":8890"},
	{"name", "127.0.0.1:2526", "inet:filters.test:8891"},
}

const mainCF = `milter_default_action = tempfail
milter_connect_timeout = 3s
milter_command_timeout = 10s
milter_content_timeout = 10s
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
`

// TestKilled kills a part while mail flows: every message that was accepted arrives,
// with the signature of its author's domain. Without SCALE=long it is one filter,
// behind the balancer.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	sink := smtptest.NewSink(t)
	var smtpd []string
	for _, way := range ways {
		smtpd = append(smtpd, way.address+" -o smtpd_milters="+way.milters)
	}
	smtptest.StartPostfix(t, datasettest.Folder(t, 0o755), sink, mainCF, smtpd...)
	next := 0
	for _, victim := range []struct {
		name    string
		process *datasettest.Process
		stays   bool // dead
	}{
		{"a filter", w.filters[0], false}, {"the primary", w.primary, true},
		{"a shard", w.shards[0], false}, {"the balancer", w.balancer, false},
	} {
		for _, way := range ways {
			if way.name != "balancer" && victim.stays || !testutil.Long() && (victim.name != "a filter" || way.name != "balancer") {
				continue // it cannot be killed twice, or is for SCALE=long
			}
			t.Run(victim.name+" behind the "+way.name, func(t *testing.T) {
				f := &flow{t: t, way: way.address, sink: sink, from: next, records: w.records}
				f.start(4)
				flows := func() {
					enough := f.accepted.Load() + 20
					proctest.Until(t, time.Minute, "mail", func() bool { return f.accepted.Load() >= enough })
				}
				flows()
				before := f.accepted.Load()
				victim.process.Kill()
				time.Sleep(3 * time.Second) // so long it is away
				if !victim.stays {
					victim.process.Start()
				}
				between := f.accepted.Load()
				flows()
				after := f.accepted.Load()
				f.end()
				next = f.from + int(f.next.Load())
				t.Logf("accepted: %d before, %d while it was away, %d after; %d tries again", before, between-before,
					after-between, f.again.Load())
			})
		}
	}
}

// flow is mail through one way, each message of the next domain and until it is
// accepted.
type flow struct {
	t                     *testing.T
	way                   string
	sink                  *smtptest.Sink
	records               map[string]string
	from                  int
	next, accepted, again atomic.Int64
	stop                  chan struct{}
	wait                  sync.WaitGroup
}

func (f *flow) start(senders int) {
	f.stop = make(chan struct{})
	for range senders {
		f.wait.Go(func() {
			for {
				select {
				case <-f.stop:
					return
				default:
				}
				n := f.from + int(f.next.Add(1)) - 1
				for tries := 0; !f.send(n); tries++ {
					if f.again.Add(1); tries > 200 {
						f.t.Errorf("message %d is never accepted", n)
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
				f.accepted.Add(1)
			}
		})
	}
}

func rcpt(n int) string { return fmt.Sprintf("r%d@sink.example", n) }

// send reports whether message n was accepted; one refused for good is an error.
func (f *flow) send(n int) bool {
	conn, err := net.DialTimeout("tcp", f.way, 5*time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // a connection that is there takes one
	c := textproto.NewConn(conn)
	said := func(command string) bool {
		if command != "" && c.PrintfLine("%s", command) != nil {
			return false
		}
		code, text, err := c.ReadResponse(0)
		if code >= 500 {
			f.t.Errorf("%s: %d %s", command, code, text)
		}
		return err == nil && code < 400
	}
	body := strings.Repeat("a line of text\r\n", 50)
	return said("") && said("EHLO client.example") && said("MAIL FROM:<a@"+domain(n)+">") && said("RCPT TO:<"+rcpt(n)+">") &&
		said("DATA") && said(fmt.Sprintf("From: a@%s\r\nTo: %s\r\nSubject: number %d\r\n\r\n%s.", domain(n), rcpt(n), n, body))
}

// end waits for the senders, and looks at each message.
func (f *flow) end() {
	close(f.stop)
	f.wait.Wait()
	for i := range int(f.next.Load()) {
		n := f.from + i
		message := f.sink.Await(f.t, rcpt(n))
		published := func(_ context.Context, name string) ([]string, error) { return []string{f.records[name]}, nil }
		results, err := dkim.Verify(f.t.Context(), message, dkim.VerifyOptions{Now: time.Now()}, published)
		ours := strings.Contains(string(message), "d="+domain(n)+";")
		if err != nil || len(results) != 1 || results[0].Status != dkim.StatusPass || !ours {
			f.t.Fatalf("message %d: %v, %v\n%s", n, results, err, message)
		}
	}
}
