package rotate

import (
	"context"
	"strings"
	"testing"
	"time"
)

// newGroup is a world in which one row signs for a.example and b.example; p.example has its
// record too.
func newGroup(t *testing.T, domains string) *world {
	w := newWorld(t, "Zone * p\nGroup all "+domains+"\n", "")
	w.write("KeyTable", "all %:old:"+w.dir+"/a.private\n")
	for _, d := range []string{"a.example", "b.example", "p.example"} {
		w.key(d, "old", w.dir+"/a.private")
	}
	w.adopt()
	return w
}

const regrouped = "edited-by-hand: the Group all names other domains by now: dojang keys adopt all, or, if its row signs no more: " +
	"dojang keys retire all"

// Whoever joins a Group and is not adopted with it would be signed for with a key that has no
// record there: nothing changes before, wherever the next key is in its life.
func TestJoinsGroup(t *testing.T) {
	for _, state := range []State{Signing, Made, Asked, Proven} {
		w := newGroup(t, "a.example b.example")
		if state != Signing {
			for _, s := range w.servers {
				s.silent = state == Made || state == Asked
			}
			w.start("all")
			w.runFor(40, "="+string(state))
			for _, s := range w.servers {
				s.silent = false
			}
		}
		w.set.Groups[0].Domains = []string{"a.example", "b.example", "p.example"}
		w.runFor(80, "")
		w.expect("(" + regrouped + ")")
		w.expect("old=signing")
		if out, err := w.run(); err != nil || out.Blocked != 1 {
			t.Errorf("%s: %+v, %v", state, out, err)
		}
		w.adopt()
		w.runFor(160, "all: 20261129")
		if u := w.units()[0]; u.signing() == nil || len(u.signing().Keys[0].Records) != 3 || u.signing().Keys[0].Selector == "old" {
			t.Errorf("%s: %s", state, w.states())
		}
		w.finish()
	}
}

// A change of the line that is taken back is as if it had not been.
func TestGroupTakenBack(t *testing.T) {
	w := newGroup(t, "a.example b.example")
	w.start("all")
	domains := w.set.Groups[0].Domains
	w.set.Groups[0].Domains = domains[:1]
	w.runFor(40, "")
	w.expect(regrouped)
	w.set.Groups[0].Domains = domains
	w.reach(80, " 20261129=signing; ")
	w.finish()
}

// A domain that leaves its Group while a key is on its way, and whose zone goes, keeps the
// others from nothing once they are adopted.
func TestLeavesGroup(t *testing.T) {
	w := newGroup(t, "a.example b.example")
	w.start("all")
	w.expect("20261129=asked")
	w.dead = "b.example"
	w.set.Groups[0].Domains = []string{"a.example"}
	if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Start(context.Background(), "all") }); err == nil ||
		!strings.Contains(err.Error(), "dojang keys adopt all") {
		t.Errorf("started: %v", err)
	}
	w.adopt()
	if log := w.log.String(); !strings.Contains(log, "20261129._domainkey.b.example: left as it is") {
		t.Errorf("nobody is told of the record that stays:\n%s", log)
	}
	w.reach(160, "all: 20261129b=signing; ")
	if text, _ := w.servers[0].at("20261129._domainkey.a.example"); text != "" {
		t.Errorf("the record that never signed is %q", text)
	}
	w.finish()
}

// After a break-in the domains count that the Group names now.
func TestEmergencyOfAChangedGroup(t *testing.T) {
	w := newGroup(t, "a.example b.example")
	w.set.Groups[0].Domains = []string{"a.example", "p.example"}
	if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Emergency(context.Background(), 0, "all") }); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"a.example", "p.example"} {
		if text, _ := w.servers[0].at("20261129._domainkey." + d); text == "" {
			t.Errorf("%s has no record", d)
		}
	}
}

// A Zone line that was taken out lets nobody publish but a person.
func TestZoneTakenOut(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	w.set.Zones = nil
	w.reach(160, "a.example: 20261129=signing; ")
	if r := w.units()[0].signing().Keys[0].Records[0]; r.Publisher != "" {
		t.Errorf("published by %q", r.Publisher)
	}
	w.finish()
}

// A folder State without any unit beside a table with rows is told of: it was lost, or the
// timer runs for nothing.
func TestNothingAdopted(t *testing.T) {
	w := newWorld(t, "Zone * p\n", oneDomain)
	for range 2 {
		if out, err := w.run(); err != nil || out.Blocked != 1 {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if !strings.Contains(w.log.String(), "dojang keys adopt --all") {
		t.Errorf("%s", &w.log)
	}
	w.adopt()
	w.pass(time.Second)
	if out, err := w.run(); err != nil || out.Blocked != 0 {
		t.Errorf("adopted: %+v, %v", out, err)
	}
	empty := newWorld(t, "", "# nothing yet\n")
	if out, err := empty.run(); err != nil || out.Blocked != 0 {
		t.Errorf("of an empty table: %+v, %v", out, err)
	}
}

// A Group whose line is gone changes no key, for nobody knows whose it is; its row can leave,
// whatever it is called.
func TestGroupTakenOut(t *testing.T) {
	w := newWorld(t, "Zone * p\nGroup All a.example b.example\n", "")
	w.write("KeyTable", "All %:old:"+w.dir+"/a.private\n")
	for _, d := range []string{"a.example", "b.example"} {
		w.key(d, "old", w.dir+"/a.private")
	}
	w.adopt()
	retire := func(name string) error {
		_, err := w.do(func(r *Rotator) (Outcome, error) { return r.Retire(context.Background(), name) })
		return err
	}
	if err := retire("b.example"); err == nil || !strings.Contains(err.Error(), "dojang keys retire All") {
		t.Errorf("one of two leaves: %v", err)
	}
	w.set.Groups[0].Name = "Another"
	if out, err := w.run(); err != nil || out.Blocked != 1 || !strings.Contains(w.states(), "dojang keys retire All") {
		t.Errorf("%+v, %v, %s", out, err, w.states())
	}
	w.write("KeyTable", "")
	if err := retire("All"); err != nil {
		t.Fatal(err)
	}
	w.expect("old=resting")
}
