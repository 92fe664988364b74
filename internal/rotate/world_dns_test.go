package rotate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"dojang/internal/publish"
)

func zoneOf(name string) string {
	labels := strings.Split(name, ".")
	return strings.Join(labels[len(labels)-2:], ".")
}

// Apply implements publish.Publisher.
func (w *world) Apply(_ context.Context, b publish.Batch) (results []publish.Result, err error) {
	if err := b.Check(); err != nil {
		w.problem("a batch that cannot be: %s", err)
		return nil, err
	}
	w.asked++
	for _, c := range b.Changes {
		state := w.says
		if state == publish.Pending {
			w.told = append(w.told, c)
		}
		if state == "" {
			state = w.apply(c)
		}
		detail := ""
		if state == publish.Retry {
			detail = "busy"
		}
		results = append(results, publish.Result{Name: c.Name, State: state, Detail: detail})
	}
	if w.lost {
		w.lost = false
		return nil, errors.New("the answer was lost")
	}
	return results, nil
}

func (w *world) apply(c publish.Change) publish.State {
	have, _ := w.servers[0].at(c.Name)
	switch {
	case c.Do == publish.DoPresent && have == c.Text, c.Do == publish.DoAbsent && have == "", c.Do == publish.DoReplace && have == c.Text:
		return publish.Done
	case c.Do == publish.DoPresent && have != "", c.Do != publish.DoPresent && have != strings.Join(c.IfStrings, ""):
		return publish.Conflict
	}
	for i, s := range w.servers {
		if i == 0 || !s.lags {
			w.setRecord(s, c.Name, c.Text, time.Duration(c.TTLSeconds)*time.Second)
		}
	}
	return publish.Done
}

// setRecord changes what a server has. A record that mail may still need is not changed.
func (w *world) setRecord(s *server, name, text string, ttl time.Duration) {
	if have, _ := s.at(name); have == text {
		return
	}
	if at, was := w.signed[name]; was && !w.exempt[name] && w.true_.Sub(at) < w.set.KeepOld {
		if have, _ := s.at(name); !isRevoked(have) && have != "" {
			w.problem("%s: %s changes the record to %q %s after a signature with it", w.true_.Format(time.TimeOnly), name,
				text, w.true_.Sub(at))
		}
	}
	s.has[name] = append(s.has[name], answer{w.true_, text, ttl})
}

// catchUp has a server follow the first.
func (w *world) catchUp() {
	names := map[string]bool{}
	for name := range w.servers[0].has {
		names[name] = true
	}
	for name := range names {
		text, ttl := w.servers[0].at(name)
		for _, s := range w.servers[1:] {
			w.setRecord(s, name, text, ttl)
		}
	}
}

// believed reports whether every cache that may be has the right record at a name now:
// each holds an answer that some server gave within its time.
func (w *world) believed(name, public string) string {
	for _, s := range w.servers {
		list := s.has[name]
		if len(list) == 0 || list[0].from.After(w.true_.Add(-24*time.Hour)) {
			list = append([]answer{{time.Time{}, "", 0}}, list...)
		}
		for i, a := range list {
			until := w.true_
			if i+1 < len(list) {
				until = list[i+1].from
			}
			keeps := a.ttl
			if a.text == "" {
				keeps = w.minimum
			}
			if until.Add(keeps).Before(w.true_) || until.Add(keeps).Equal(w.true_) && i+1 < len(list) {
				continue
			}
			if !strings.HasSuffix(a.text, "p="+public) {
				return fmt.Sprintf("a cache may have %q of %s, which it had until %s", a.text, s.name, until.Format(time.TimeOnly))
			}
		}
	}
	return ""
}
