package filter

import "dojang/internal/message"

// Observer is told what happens, for metrics. Its methods are called from many
// goroutines and must be quick.
type Observer interface {
	message.Observer
	Connected()
	Disconnected()
}

type noObserver struct{ message.Observer }

func (noObserver) Connected()    {}
func (noObserver) Disconnected() {}
