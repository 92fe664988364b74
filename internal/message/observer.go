package message

import (
	"time"

	"dojang/dkim"
)

// Observer is told what happens, for metrics. Its methods are called from many
// goroutines and must be quick.
type Observer interface {
	Signed(algorithm dkim.Algorithm, took time.Duration)
	SigningFailed()
	Verified(r dkim.Result)
	KeyLookup(took time.Duration, failed bool)
	TableError()
	// Message is one message from its MAIL to its answer.
	Message(outcome string, took time.Duration, bodyBytes int64)
}

// observer is who counts this message.
func (m *Message) observer() Observer {
	if m.effects.Counters {
		return m.services.observer
	}
	return noObserver{}
}

type noObserver struct{}

func (noObserver) Signed(dkim.Algorithm, time.Duration) {}
func (noObserver) SigningFailed()                       {}
func (noObserver) Verified(dkim.Result)                 {}
func (noObserver) KeyLookup(time.Duration, bool)        {}
func (noObserver) TableError()                          {}
func (noObserver) Message(string, time.Duration, int64) {}
