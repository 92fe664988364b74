package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"dojang/milter"
)

// State is where a connection is held.
type State int

// The states: between messages, after one was answered; and in the middle of a
// message's body.
const (
	Idle State = iota
	HalfSent
)

// Held are connections that are open and say nothing.
type Held struct{ clients []*milter.Client }

// Hold opens so many connections and brings each to a state.
func Hold(network, address string, connections int, m *milter.Message, s State) (*Held, error) {
	h := &Held{}
	for range connections {
		c, err := milter.Dial(network, address, milter.ClientOptions{})
		if err == nil {
			h.clients = append(h.clients, c)
			err = bring(c, m, s)
		}
		if err != nil {
			h.Close()
			return nil, fmt.Errorf("connection %d: %w", len(h.clients), err)
		}
	}
	return h, nil
}

func bring(c *milter.Client, m *milter.Message, s State) error {
	var o milter.Outcome
	if s == Idle {
		return c.SendTo(context.Background(), m, &o)
	}
	split := bytes.Index(m.Raw, []byte("\r\n\r\n"))
	if split < 0 {
		return errors.New("the message has no body")
	}
	return c.SendPart(m, split+4+(len(m.Raw)-split-4)/2, &o)
}

// Close closes all connections as a broken MTA would.
func (h *Held) Close() {
	for _, c := range h.clients {
		c.Close()
	}
}
