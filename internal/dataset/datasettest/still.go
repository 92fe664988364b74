package datasettest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/testutil/proctest"
)

// StandsStill checks what becomes of a set on a server whose connections carry nothing any
// more, and that nobody closes: others are made. open opens the set on another address of
// the server's, in whose place it stands.
func StandsStill(t *testing.T, network, address string, open func(address string) dataset.Set) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for time-outs")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var made, still atomic.Int64 // connections, and how many of them carry nothing
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				return
			}
			number := made.Add(1)
			carries := func() bool { return number > still.Load() }
			go carry(client, server, carries)
			go carry(server, client, carries)
		}
	}()
	set := open(l.Addr().String())
	ask := func() bool {
		_, err := set.Lookup(context.Background(), "one", 1)
		return err == nil
	}
	if !ask() {
		t.Fatal("the set does not answer")
	}
	still.Store(made.Load())
	proctest.Until(t, time.Minute, "an answer over a new connection", ask)
}

// carry passes on what comes, as long as its connection carries anything.
func carry(from, to net.Conn, carries func() bool) {
	defer to.Close()
	for buffer := make([]byte, 1<<16); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if carries() {
			_, _ = to.Write(buffer[:n])
		}
	}
}
