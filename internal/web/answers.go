package web

import (
	"sync"
	"time"

	"dojang/internal/keycheck"
)

const (
	answerTime = time.Minute
	maxAnswers = 1000
)

// answers keeps reports for strangers for a minute.
type answers struct {
	now  func() time.Time
	mu   sync.Mutex
	list map[string]*keycheck.Report
}

func newAnswers(now func() time.Time) *answers {
	return &answers{now: now, list: map[string]*keycheck.Report{}}
}

func (a *answers) get(record string) *keycheck.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.list[record]; r != nil && a.now().Sub(r.CheckedAt) < answerTime {
		return r
	}
	return nil
}

func (a *answers) put(record string, r *keycheck.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) >= maxAnswers {
		clear(a.list)
	}
	a.list[record] = r
}
