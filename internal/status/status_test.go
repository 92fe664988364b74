package status

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func signed(c *clock, domain, selector, id string) Message {
	return Message{Time: c.at, QueueID: id, Domain: domain, Result: Signed, Answer: "accept", Events: []string{"signed"},
		Signatures: []Signature{{Domain: domain, Selector: selector, Algorithm: "rsa-sha256"}},
		Author:     "u@" + domain, Client: "192.0.2.1", Recipients: 2}
}

// With StatusAddresses or without: nobody outside is counted by name.
func TestStrangersAreNotCountedByName(t *testing.T) {
	c := &clock{noon}
	r := New(Options{}, c.now)
	r.Record(Message{Time: c.at, QueueID: "A1", Domain: "stranger.example", Result: Fail,
		Client: "203.0.113.5", Author: "x@stranger.example"}, false)
	r.Record(Message{Time: c.at, QueueID: "A2", Domain: "Ours.example", Result: Unsigned, Reason: "not_internal"}, true)
	if got := r.Domains(); len(got) != 1 || got[0].Domain != "ours.example" || got[0].UnsignedTotal != 1 ||
		got[0].LastUnsigned.QueueID != "A2" {
		t.Errorf("domains %+v", got)
	}
	if m := r.Messages("A1", "", "", 5); len(m) != 1 || m[0].Domain != "" || m[0].Client != "" || m[0].Author != "" {
		t.Errorf("a stranger's row %+v", m)
	}
	if got := r.UnsignedByReason(); got["not_internal"] != 1 || len(got) != 1 {
		t.Errorf("reasons %v", got)
	}
	r.Configure(Options{Addresses: true})
	r.Record(Message{Time: c.at, QueueID: "A3", Domain: "stranger.example", Client: "203.0.113.5", Author: "x@stranger.example"}, false)
	if m := r.Messages("A3", "", "", 5); m[0].Domain != "stranger.example" || m[0].Client == "" || m[0].Author == "" {
		t.Errorf("with addresses %+v", m)
	}
	r.Configure(Options{}) // what was remembered with addresses goes when they may not be
	if m := r.Messages("A3", "", "", 5); m[0].Domain != "" || m[0].Client != "" || m[0].Author != "" {
		t.Errorf("without addresses again %+v", m)
	}
}

// What StatusMessages bounds.
func TestRingKeepsTheLatest(t *testing.T) {
	c := &clock{noon}
	r := New(Options{Messages: 3}, c.now)
	for i := range 7 {
		r.Record(signed(c, "example.com", "s", fmt.Sprint("Q", i)), true)
	}
	ids := func() (s string) {
		for _, m := range r.Messages("", "", "", 100) {
			s += m.QueueID
		}
		return s
	}
	if got := ids(); got != "Q6Q5Q4" {
		t.Errorf("rows %s", got)
	}
	r.Configure(Options{Messages: 2})
	if got := ids(); got != "Q6Q5" {
		t.Errorf("rows of a smaller ring %s", got)
	}
	r.Record(signed(c, "example.com", "s", "Q7"), true)
	r.Configure(Options{Messages: 4})
	r.Record(signed(c, "example.com", "s", "Q8"), true)
	if got := ids(); got != "Q8Q7Q6" {
		t.Errorf("rows of a larger ring %s", got)
	}
	r.Configure(Options{Messages: -1})
	r.Record(signed(c, "example.com", "s", "Q9"), true)
	if got := ids(); got != "" {
		t.Errorf("rows of no ring %s", got)
	}
}

// What StatusDomains bounds.
func TestDomainsBeyondTheBoundAreOthers(t *testing.T) {
	c := &clock{noon}
	r := New(Options{Domains: 2}, c.now)
	for i := range 5 {
		r.Record(signed(c, fmt.Sprintf("d%d.example", i), "s", "Q"), true)
	}
	got := r.Domains()
	if len(got) != 3 || !got[2].Other || got[2].SignedTotal != 3 || got[0].Domain != "d0.example" {
		t.Errorf("%+v", got)
	}
}

// Points are of the minute, ten minutes and day in which mail was, and empty
// where none was, however long the filter was idle.
func TestSeries(t *testing.T) {
	c := &clock{noon}
	r := New(Options{}, c.now)
	for _, after := range []time.Duration{0, 30 * time.Second, 2 * time.Minute, 26 * time.Hour, 100 * 24 * time.Hour} {
		c.at = noon.Add(after)
		r.Record(signed(c, "example.com", "s", "Q"), true)
	}
	c.at = noon.Add(2 * time.Minute)
	sum := func(span string) (n uint32, last uint32) {
		s, ok := r.Series("example.com", span)
		if !ok {
			t.Fatalf("no series %s", span)
		}
		for _, p := range s.Signed {
			n += p
		}
		return n, s.Signed[len(s.Signed)-1]
	}
	c.at = noon.Add(100 * 24 * time.Hour)
	for span, want := range map[string]uint32{"hour": 1, "2d": 1, "90d": 1} {
		if n, last := sum(span); n != want || last != 1 {
			t.Errorf("%s: %d, last %d", span, n, last)
		}
	}
	fresh := New(Options{}, c.now)
	c.at = noon
	fresh.Record(signed(c, "example.com", "s", "Q"), true)
	c.at = noon.Add(59*time.Minute + 59*time.Second)
	r = fresh
	if n, _ := sum("hour"); n != 1 {
		t.Error("mail of 59 minutes ago is not in the hour")
	}
	c.at = noon.Add(time.Hour)
	if n, _ := sum("hour"); n != 0 {
		t.Error("mail of an hour ago is in the hour")
	}
	if n, _ := sum("2d"); n != 1 {
		t.Error("mail of an hour ago is not in two days")
	}
	if _, ok := r.Series("example.com", "week"); ok {
		t.Error("an unknown range")
	}
	if _, ok := r.Series("stranger.example", "hour"); ok {
		t.Error("an unknown domain")
	}
}

// A restart keeps all of it: ring, counts, reasons, keys.
func TestKeptOverARestart(t *testing.T) {
	c := &clock{noon}
	path := filepath.Join(t.TempDir(), "status")
	r := New(Options{}, c.now)
	f := File(path, r, 5*time.Minute)
	r.Record(signed(c, "example.com", "s1", "Q1"), true)
	r.Record(Message{Time: c.at, QueueID: "Q2", Domain: "example.com", Result: Unsigned, Reason: "key_error", Answer: "tempfail"}, true)
	c.at = noon.Add(time.Minute)
	want := fmt.Sprintf("%+v %+v %+v", r.Domains()[0].SignedTotal, r.Messages("", "", "", 9), r.UnsignedByReason())
	r.Closing()
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	c.at = noon.Add(time.Hour)
	again := New(Options{}, c.now)
	if err := File(path, again, 5*time.Minute).Read(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v %+v %+v", again.Domains()[0].SignedTotal, again.Messages("", "", "", 9),
		again.UnsignedByReason()); got != want {
		t.Errorf("after a restart\n%s\nwas\n%s", got, want)
	}
	if s, _ := again.Series("example.com", "2d"); total(s.Signed) != 1 || total(s.Unsigned) != 1 {
		t.Errorf("series %+v", s)
	}
}

func total(points []uint32) (n uint32) {
	for _, p := range points {
		n += p
	}
	return n
}

// What the rotation may rely on: no use of a key is ever later than what is told.
func TestLastSignedIsTheLatestThatCannotBeExcluded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	const interval = 5 * time.Minute
	c := &clock{noon}
	start := func() (*Recorder, func()) {
		r := New(Options{}, c.now)
		f := File(path, r, interval)
		if err := f.Read(); err != nil {
			t.Fatal(err)
		}
		save := func() {
			if err := f.Write(); err != nil {
				t.Fatal(err)
			}
		}
		save() // as the filter does: from now on an end is unclean
		return r, save
	}
	last := func(r *Recorder, selector string) string {
		for _, k := range r.Keys([]Key{{Domain: "example.com", Selector: "never"}}, "", "", 0) {
			if k.Selector == selector {
				if k.LastSigned == nil {
					return "never"
				}
				return k.LastSigned.Sub(noon).String()
			}
		}
		return "unlisted"
	}
	check := func(when string, r *Recorder, used, never string) {
		t.Helper()
		if got := last(r, "s"); got != used {
			t.Errorf("%s: a used key %s, want %s", when, got, used)
		}
		if got := last(r, "never"); got != never {
			t.Errorf("%s: an unused key %s, want %s", when, got, never)
		}
	}
	r, save := start() // no file: nothing is known of before
	check("without a file", r, "unlisted", "0s")
	c.at = noon.Add(time.Hour + 300*time.Millisecond)
	r.Record(signed(c, "example.com", "s", "Q"), true)
	check("used", r, "1h0m1s", "0s")
	r.Closing()
	save()
	c.at = noon.Add(2 * time.Hour)
	r, save = start()
	check("after a clean end", r, "1h0m1s", "0s")
	save()
	c.at = noon.Add(3 * time.Hour) // killed
	r, save = start()
	check("after a kill", r, "2h5m1s", "2h5m0s")
	r.Closing()
	save()
	c.at = noon.Add(4 * time.Hour)
	r, _ = start()
	check("after a kill and a clean end", r, "2h5m1s", "2h5m0s")
	c.at = noon.Add(4*time.Hour + time.Minute) // killed at once: before the first interval
	r, _ = start()
	check("after a kill at once", r, "4h1m1s", "4h1m0s")
}

// Nobody's file is replaced.
func TestForeignFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, []byte("root:x:0:0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := New(Options{}, time.Now)
	f := File(path, r, time.Minute)
	if err := f.Read(); err == nil {
		t.Error("a foreign file was read")
	}
	if err := f.Write(); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "root:x:0:0\n" {
		t.Errorf("the file is %q", text)
	}
}

func TestTextsAreBounded(t *testing.T) {
	r := New(Options{Addresses: true}, time.Now)
	long := strings.Repeat("x", 1<<20)
	m := Message{QueueID: long, Domain: long, Author: long, Client: long, Events: make([]string, 1000),
		Signatures: make([]Signature, 1000), Result: Unsigned, Reason: "a"}
	r.Record(m, true)
	got := r.Messages("", "", "", 1)[0]
	if len(got.QueueID)+len(got.Domain)+len(got.Author)+len(got.Client) > 4*maxTextBytes ||
		len(got.Events) > maxEvents || len(got.Signatures) > maxSignatures {
		t.Error("a row holds more than its bounds")
	}
	for i := range 2 * maxReasons {
		r.Record(Message{Result: Unsigned, Reason: fmt.Sprint("reason", i)}, true)
	}
	if n := len(r.UnsignedByReason()); n > maxReasons+1 {
		t.Errorf("%d reasons", n)
	}
}

// By default a full recorder holds less than 4 MB.
func TestMemoryByDefault(t *testing.T) {
	c := &clock{noon}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := New(Options{}, c.now)
	for i := range 3 * defaultMessages {
		domain := fmt.Sprintf("d%d.example.com", i%(2*defaultDomains))
		m := signed(c, strings.Clone(domain), "mail2026", fmt.Sprintf("4F1A2BE%05d", i))
		m.Events = []string{"not_internal", "not_authenticated", "signed"}
		r.Record(m, true)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 4<<20 {
		t.Errorf("%d bytes", held)
	}
	runtime.KeepAlive(r)
}

func BenchmarkRecord(b *testing.B) {
	r := New(Options{}, time.Now)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("d%d.example.com", i)
	}
	events := []string{"signed"}
	at := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			d := names[i%len(names)]
			r.Record(Message{Time: at, QueueID: "4F1A2BE2EF", Domain: d, Result: Signed, Answer: "accept",
				Events: events, Signatures: []Signature{{d, "mail", "rsa-sha256", "k"}}}, true)
		}
	})
}

func FuzzTake(f *testing.F) {
	f.Add(`{"saved":{"at":"2026-11-29T12:00:00Z","interval_seconds":1e300,"clean":false}}` + "\n" + `{"key":{"d":"example.com","s":"s","total":1,"first":1,"last":9223372036854775807,"part":-1}}`)
	f.Add(`{"series":{"domain":"d","totals":[1,2,3,4,5],"last":[9223372036854775807,1,2],"points":[{"5":[1,2,3,4]},{},{}]}}`)
	f.Add(`{"reasons":{"x":{"total":1,"parts":[1,2,3,4,5,6,7,8],"last":99999999999}}}`)
	f.Add(`{"message":{"time":"2026-11-29T12:00:00Z","queue_id":"Q","events":["a"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c := &clock{noon}
		r := New(Options{}, c.now)
		for l := range strings.Lines(text) {
			_ = keeper{r}.Take([]byte(l)) // whatever it says, it must not panic
		}
		r.Record(signed(c, "example.com", "s", "Q"), true)
		r.Domains()
		r.Keys(nil, "", "", 0)
		r.Series("", "90d")
	})
}

// A clock that was a year ahead, or two days back, leaves no year without counts; one that nobody
// has set starts in 1970.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{365 * 24 * time.Hour, -48 * time.Hour, 0, -noon.Sub(time.Unix(3600, 0))} {
		c := &clock{noon}
		r := New(Options{}, c.now)
		count := func() { r.Record(signed(c, "example.com", "s", "Q"), true) }
		count()
		c.at = noon.Add(jump)
		count()
		sees := func(when string, want uint64) {
			t.Helper()
			for _, view := range []string{"hour", "2d", "90d"} {
				s, ok := r.Series("example.com", view)
				if got := s.Signed[len(s.Signed)-1]; !ok || uint64(got) != want {
					t.Errorf("%v, %s: %d in the latest point of %s, want %d", jump, when, got, view, want)
				}
			}
			if d := r.Domains()[0].SignedDay; d != want {
				t.Errorf("%v, %s: %d in a day, want %d", jump, when, d, want)
			}
			if k := r.Keys(nil, "", "", 0)[0].SignedDay; k != want {
				t.Errorf("%v, %s: %d of the key in a day, want %d", jump, when, k, want)
			}
		}
		if jump == 0 {
			sees("no jump", 2)
			continue
		}
		sees("after the jump", 1)
		c.at = noon.Add(time.Minute)
		count()
		if jump > 0 {
			sees("back again", 1)
		}
		c.at = noon.Add(26 * time.Hour)
		count()
		sees("the next day", 1)
	}
}
