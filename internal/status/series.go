package status

import "time"

// counts of messages by result.
type counts [4]uint32

// slot is where a result is counted; a stranger's unsigned mail is not.
func slot(r Result) (int, bool) {
	switch r {
	case Signed:
		return 0, true
	case Unsigned:
		return 1, true
	case Pass:
		return 2, true
	case Fail:
		return 3, true
	case None:
	}
	return 0, false
}

// steps are the three views of a series, each with its number of points.
var steps = [3]struct {
	name    string
	seconds int64
	points  int
}{{"hour", 60, 60}, {"2d", 600, 288}, {"90d", 86400, 90}}

// series counts messages over time, in three views. It is 7 kB.
type series struct {
	hour [60]counts
	days [288]counts
	long [90]counts
	last [3]int64 // the latest point of each view, in steps since 1970
}

func (s *series) view(i int) []counts {
	switch i {
	case 0:
		return s.hour[:]
	case 1:
		return s.days[:]
	}
	return s.long[:]
}

func (s *series) add(now int64, r Result) {
	at, counted := slot(r)
	if !counted {
		return
	}
	for i := range steps {
		s.advance(i, now/steps[i].seconds)
		points := s.view(i)
		points[s.last[i]%int64(len(points))][at]++
	}
}

// advance empties the points between the latest and a new one.
func (s *series) advance(i int, number int64) {
	s.last[i] = advance(s.view(i), s.last[i], number)
}

// advance makes number the latest point of a ring, and returns which is that then. What lies
// between is emptied: points that were passed over, or such as have not come, when a clock is
// set back. What comes within a step of the latest point counts there.
func advance[T any](ring []T, last, number int64) int64 {
	if number = max(number, 0); number == last || number == last-1 {
		return last
	}
	n := int64(len(ring))
	from, to := min(last, number), max(last, number)
	for p := max(from+1, to-n+1); p <= to; p++ {
		clear(ring[p%n : p%n+1])
	}
	return number
}

// at is the point of a number, which is below 0 in the first days of 1970, where clocks start
// that nobody set.
func (s *series) at(i int, number int64) counts {
	if number < 0 {
		return counts{}
	}
	points := s.view(i)
	return points[number%int64(len(points))]
}

// Series is counts over time: point i is of the step that began i steps after
// From.
type Series struct {
	Domain      string    `json:"domain,omitempty"` // "" is all mail
	Range       string    `json:"range"`            // hour, 2d or 90d
	From        time.Time `json:"from"`
	StepSeconds int64     `json:"step_seconds"`
	Signed      []uint32  `json:"signed"`
	Unsigned    []uint32  `json:"unsigned"`
	Pass        []uint32  `json:"pass"`
	Fail        []uint32  `json:"fail"`
}

// Series returns the counts of a signing domain, or of all mail for "". It
// reports false for a range or a domain that is not known.
func (r *Recorder) Series(name, span string) (Series, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := &r.all
	if name != "" {
		d, ok := r.domains[name]
		if !ok {
			return Series{}, false
		}
		from = &d.series
	}
	for i, step := range steps {
		if step.name != span {
			continue
		}
		s := *from
		number := r.now().Unix() / step.seconds
		s.advance(i, number)
		n := int64(step.points)
		out := Series{Domain: name, Range: span, StepSeconds: step.seconds, From: time.Unix((number-n+1)*step.seconds, 0).UTC()}
		for p := number - n + 1; p <= number; p++ {
			c := s.at(i, p)
			out.Signed, out.Unsigned = append(out.Signed, c[0]), append(out.Unsigned, c[1])
			out.Pass, out.Fail = append(out.Pass, c[2]), append(out.Fail, c[3])
		}
		return out, true
	}
	return Series{}, false
}

// window counts over all time and over the last day, in eight parts.
type window struct {
	total uint64
	parts [8]uint32
	last  int64 // the latest part, in parts since 1970
}

const partSeconds = 86400 / 8

func (w *window) add(now int64) {
	w.last = advance(w.parts[:], w.last, now/partSeconds)
	w.parts[w.last%8]++
	w.total++
}

// day is how many were counted in the last 21 to 24 hours.
func (w *window) day(now int64) uint64 {
	w.last = advance(w.parts[:], w.last, now/partSeconds)
	var sum uint64
	for _, n := range w.parts {
		sum += uint64(n)
	}
	return sum
}
