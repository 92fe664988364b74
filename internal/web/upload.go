package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// How slowly an upload may come. What comes slower ends, so that nobody keeps others out
// by sending a byte now and then.
const (
	uploadStart  = 10 * time.Second // for what is not sent yet
	uploadRate   = 64 << 10         // bytes a second, at least
	uploadChunk  = 64 << 10         // bytes, that are taken from the room at once
	placeTime    = searchTime       // for a place to explain what was read
	explainsRoom = explainsAtOnce   // messages of the largest size that are in memory at once
)

var (
	errBusy = errors.New("no room for another upload")
	errSlow = errors.New("the upload comes too slowly")
)

// uploads bounds what is in memory of messages that people send, over all of them, and
// that a stranger sends one at a time. Where many have a part of the room and nobody goes
// on, one is served beyond it.
type uploads struct {
	start time.Duration // uploadStart

	mu     sync.Mutex
	room   int64 // bytes that are left
	served *upload
	freed  chan struct{} // closed when there is more room
	who    map[string]bool
}

func newUploads(room int64) *uploads {
	return &uploads{room: room, freed: make(chan struct{}), who: map[string]bool{}, start: uploadStart}
}

// take takes n bytes of the room for an upload, and waits for them for a while.
func (u *uploads) take(up *upload, n int64) error {
	end := time.NewTimer(placeTime)
	defer end.Stop()
	for {
		u.mu.Lock()
		if u.served == nil && n > u.room {
			u.served = up
		}
		if n <= u.room || u.served == up {
			u.room -= n
			u.mu.Unlock()
			return nil
		}
		freed := u.freed
		u.mu.Unlock()
		select {
		case <-freed:
		case <-end.C:
			return errBusy
		}
	}
}

// give gives n bytes back; last says that the upload needs no more.
func (u *uploads) give(up *upload, n int64, last bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.room += n
	if last && u.served == up {
		u.served = nil
	}
	close(u.freed)
	u.freed = make(chan struct{})
}

// begin begins the upload of a request's body, which is read through it from then on.
// who is a stranger that may have one at a time, "" for others.
func (u *uploads) begin(w http.ResponseWriter, r *http.Request, who string) (*upload, error) {
	if who != "" {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.who[who] {
			return nil, errBusy
		}
		u.who[who] = true
	}
	up := &upload{ReadCloser: r.Body, all: u, who: who, connection: http.NewResponseController(w), begun: time.Now()}
	r.Body = up
	return up, nil
}

// upload is a body that takes room as it is read, and that has to come at a rate.
type upload struct {
	io.ReadCloser
	all        *uploads
	who        string
	connection *http.ResponseController
	begun      time.Time
	size       int64 // bytes read
	held       int64 // of them in memory
	forgotten  bool  // what is read is not kept any more
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	p = p[:min(len(p), uploadChunk)]
	if !u.forgotten {
		asked := time.Now()
		if err := u.all.take(u, int64(len(p))); err != nil {
			return 0, err
		}
		u.begun = u.begun.Add(time.Since(asked)) // the sender does not answer for it
	}
	due := u.all.start + time.Duration(u.size)*time.Second/uploadRate
	_ = u.connection.SetReadDeadline(u.begun.Add(min(due, requestTime))) // a test's recorder has none
	n, err := u.ReadCloser.Read(p)
	u.size += int64(n)
	if !u.forgotten {
		u.held += int64(n)
		if n < len(p) {
			u.all.give(u, int64(len(p)-n), false)
		}
	}
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		err = errSlow
	}
	return n, err
}

// forget gives back the room of what was read; what follows takes none.
func (u *upload) forget() {
	u.all.give(u, u.held, true)
	u.held, u.forgotten = 0, true
}

// done says that all is read: the time for it does not end what follows.
func (u *upload) done() {
	_ = u.connection.SetReadDeadline(time.Time{})                  // a test's recorder has none
	_ = u.connection.SetWriteDeadline(time.Now().Add(requestTime)) // the same
}

// end gives back all that was taken.
func (u *upload) end() {
	u.forget()
	if u.who != "" {
		u.all.mu.Lock()
		defer u.all.mu.Unlock()
		delete(u.all.who, u.who)
	}
}

// await takes a place, and waits for one for a while.
func await(ctx context.Context, places chan struct{}, most time.Duration) (leave func(), ok bool) {
	if leave, ok = enter(places); ok {
		return leave, true
	}
	end := time.NewTimer(most)
	defer end.Stop()
	select {
	case places <- struct{}{}:
		return sync.OnceFunc(func() { <-places }), true
	case <-end.C:
	case <-ctx.Done():
	}
	return nil, false
}
