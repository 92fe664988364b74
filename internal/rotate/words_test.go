package rotate

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
)

const oneDomain = "ka a.example:old:DIR/a.private\n"

// runFor runs as the timer does, until a state is as wanted, or for some time.
func (w *world) runFor(n int, until string) string {
	w.t.Helper()
	for range n {
		w.pass(17 * time.Second)
		if _, err := w.run(); err != nil {
			w.t.Fatal(err)
		}
		if until != "" && strings.Contains(w.states(), until) {
			break
		}
	}
	return w.states()
}

// reach runs until the states are as wanted, n times at most.
func (w *world) reach(n int, want string) {
	w.t.Helper()
	w.runFor(n, want)
	w.expect(want)
}

func (w *world) expect(want string) {
	w.t.Helper()
	if got := w.states(); !strings.Contains(got, want) {
		w.t.Errorf("no %q in %s", want, got)
	}
}

func (w *world) start(domain string) {
	w.t.Helper()
	if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Start(context.Background(), domain) }); err != nil {
		w.t.Fatal(err)
	}
}

func newOne(t *testing.T, rotate string) *world {
	w := newWorld(t, rotate+"Zone * p\n", oneDomain)
	w.adopt()
	return w
}

// What keeps a new key from signing has its word; when it is mended, it goes on; and the
// old key signs meanwhile.
func TestWordsOfNewKeys(t *testing.T) {
	for _, c := range []struct {
		word        Reason
		fail, mend  func(w *world)
		state       State
		mayTakeLong bool
	}{
		{word: ServerSilent, fail: func(w *world) { w.servers[1].silent = true }, mend: func(w *world) { w.servers[1].silent = false }},
		{word: ServerDiffers, fail: func(w *world) { w.servers[1].lags = true }, mend: func(w *world) { w.servers[1].lags = false; w.catchUp() }},
		{word: NotPublished, fail: func(w *world) { w.says = publish.Done }, mend: func(w *world) { w.says = "" }},
		{word: Refused, fail: func(w *world) { w.says = publish.Refused }, mend: func(w *world) { w.says = "" }},
		{word: ReloadRefused, fail: func(w *world) { w.filters[0].refuses = true }, mend: func(w *world) { w.filters[0].refuses = false }},
	} {
		t.Run(string(c.word), func(t *testing.T) {
			w := newOne(t, "")
			before, _ := os.ReadFile(w.table)
			c.fail(w)
			w.start("a.example")
			w.runFor(30, "("+string(c.word))
			w.expect("(" + string(c.word))
			w.expect("old=signing")
			if now, _ := os.ReadFile(w.table); string(now) != string(before) {
				t.Errorf("the table is %q", now)
			}
			if out, err := w.run(); err != nil || out.Blocked != 1 {
				t.Errorf("%+v, %v", out, err)
			}
			c.mend(w)
			w.reach(60, "20261129=signing")
			w.finish()
		})
	}
}

// killedBehindRows runs until the rows of tables are written, and there the program dies.
func (w *world) killedBehindRows() {
	for range 30 {
		w.pass(17 * time.Second)
		_, err := w.do(func(r *Rotator) (Outcome, error) {
			r.Durable = func(what string) {
				if w.durable(what); what == "rows" {
					panic(killed)
				}
			}
			return r.Run(context.Background())
		})
		if err != nil {
			return
		}
	}
}

// A filter that refuses the tables after a crash gets its old rows back as well.
func TestRefusedAfterCrash(t *testing.T) {
	w := newOne(t, "")
	before, _ := os.ReadFile(w.table)
	w.start("a.example")
	w.killedBehindRows()
	if now, _ := os.ReadFile(w.table); string(now) == string(before) {
		t.Fatal("the rows were not written")
	}
	w.filters[0].refuses = true
	w.runFor(1, "")
	w.expect("(reload-refused")
	if now, _ := os.ReadFile(w.table); string(now) != string(before) {
		t.Errorf("the table is %q", now)
	}
	w.finish()
}

func TestEditedByHand(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	w.write("other.private", string(must(os.ReadFile(w.dir+"/a.private"))))
	w.write("KeyTable", "ka a.example:old:"+w.dir+"/other.private\n")
	w.runFor(20, "edited-by-hand")
	w.expect("(edited-by-hand")
	if got := string(must(os.ReadFile(w.table))); got != "ka a.example:old:"+w.dir+"/other.private\n" {
		t.Errorf("the table is %q", got)
	}
	w.write("KeyTable", "# back\nka a.example:old:"+w.dir+"/a.private\n")
	w.reach(20, "20261129=signing")
	w.finish()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A record is not touched while a host is silent or may use its key.
func TestWordsOfOldKeys(t *testing.T) {
	for _, c := range []struct {
		word       Reason
		fail, mend func(w *world)
	}{
		{HostSilent, func(w *world) { w.filters[1].silent = true }, func(w *world) { w.filters[1].silent = false }},
		{HostLags, func(w *world) { w.filters[1].lags = true }, func(w *world) { w.filters[1].lags = false; w.filters[1].read() }},
	} {
		t.Run(string(c.word), func(t *testing.T) {
			w := newOne(t, "Interval 1d\n")
			c.fail(w)
			w.start("a.example")
			w.runFor(80, "")
			w.expect("old=resting(" + string(c.word))
			w.expect("20261129=signing")
			c.mend(w)
			w.reach(80, "a.example: 20261129=signing; ")
			w.finish()
		})
	}
}

// A record that its publisher has put there and lost is asked for again, whatever else was
// refused meanwhile.
func TestLostBesideRefused(t *testing.T) {
	w := newOne(t, "Interval 1d\n")
	w.start("a.example")
	w.runFor(80, "20261129=signing")
	w.says = publish.Refused
	w.reach(80, "old=revoking(refused")
	if _, err := w.do(func(r *Rotator) (Outcome, error) {
		u := must(r.Store.unit("a.example"))
		u.find(Revoking).Keys[0].Records[0].Done = true
		return Outcome{}, r.Store.Save(u)
	}); err != nil {
		t.Fatal(err)
	}
	w.says = ""
	w.reach(80, "a.example: 20261129=signing; ")
	w.finish()
}

func TestStopStartAbort(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	w.runFor(1, "")
	stop := func(r *Rotator) (Outcome, error) { return Outcome{}, r.Stop("a.example") }
	if _, err := w.do(stop); err != nil {
		t.Fatal(err)
	}
	asked := w.asked
	w.runFor(20, "")
	w.expect("old=signing 20261129=proven")
	if w.asked != asked {
		t.Error("a stopped unit asks its publisher")
	}
	w.start("a.example")
	w.expect("20261129=signing") // its wait went on
	w.runFor(2, "")
	w.finish()

	w = newOne(t, "")
	w.start("a.example")
	w.runFor(1, "")
	abort := func(r *Rotator) (Outcome, error) { return r.Abort(context.Background(), "a.example") }
	if _, err := w.do(abort); err != nil {
		t.Fatal(err)
	}
	w.runFor(3, "")
	w.expect("a.example: old=signing; ")
	if text, _ := w.servers[0].at("20261129._domainkey.a.example"); text != "" {
		t.Errorf("the record is still %q", text)
	}
	if _, err := os.Stat(w.dir + "/a.example.20261129.private"); err == nil {
		t.Error("the key is still there")
	}
	if _, err := w.do(abort); err == nil {
		t.Error("a key that signs was given up")
	}
	// Never the same selector twice.
	w.start("a.example")
	w.expect("20261129b=asked")
	w.finish()
}

// Another's record at the name of a key that is given up stays.
func TestAbortLeavesOthersRecord(t *testing.T) {
	w := newOne(t, "")
	w.says = publish.Done // it lies
	w.start("a.example")
	w.runFor(2, "")
	for _, s := range w.servers {
		w.setRecord(s, "20261129._domainkey.a.example", "v=DKIM1; p=another", time.Minute)
	}
	w.says = ""
	w.runFor(2, "")
	w.expect("(conflict")
	if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Abort(context.Background(), "a.example") }); err != nil {
		t.Fatal(err)
	}
	w.expect("a.example: old=signing; ")
	if text, _ := w.servers[0].at("20261129._domainkey.a.example"); text != "v=DKIM1; p=another" {
		t.Errorf("the record is %q", text)
	}
	w.finish()
}

// A key file that another row names stays, whatever path that row has for it.
func TestSharedKeyFileStays(t *testing.T) {
	w := newWorld(t, "Zone * p\n", "ka a.example:old:DIR/a.private\nkb b.example:old:DIR/a.private\n")
	if err := os.Symlink(w.dir+"/a.private", w.dir+"/link"); err != nil {
		t.Fatal(err)
	}
	w.write("KeyTable", strings.Replace(string(must(os.ReadFile(w.table))), "kb b.example:old:"+w.dir+"/a.private",
		"kb b.example:old:"+w.dir+"/link", 1))
	w.adopt()
	w.start("a.example")
	w.runFor(100, "a.example: 20261129=signing; ")
	w.expect("a.example: 20261129=signing; b.example: old=signing; ")
	if _, err := os.Stat(w.dir + "/a.private"); err != nil {
		t.Error("the key of b.example was deleted")
	}
	w.finish()
}

// A row for several domains changes when all of them have the record.
func TestGroup(t *testing.T) {
	w := newWorld(t, "Zone * p\nGroup all a.example b.example\n", "")
	w.write("KeyTable", "all %:old:"+w.dir+"/a.private\n")
	w.key("a.example", "old", w.dir+"/a.private")
	w.key("b.example", "old", w.dir+"/a.private")
	for _, f := range w.filters {
		f.read()
	}
	w.adopt()
	w.start("b.example")
	w.expect("all: old=signing 20261129=asked")
	for _, d := range []string{"a.example", "b.example"} {
		if text, _ := w.servers[0].at("20261129._domainkey." + d); text == "" {
			t.Errorf("%s has no record", d)
		}
	}
	w.reach(100, "all: 20261129=signing; ")
	if got := string(must(os.ReadFile(w.table))); got != "all %:20261129:"+w.dir+"/all.20261129.private\n" {
		t.Errorf("the table is %q", got)
	}
	w.finish()
}

// A row for several domains that is called as one of them is no unit beside that.
func TestGroupNamedAsDomain(t *testing.T) {
	w := newWorld(t, "Zone * p\nGroup a.example a.example b.example\n", "own a.example:one:DIR/one.private\n")
	w.key("b.example", "old", w.dir+"/old.private")
	w.write("KeyTable", "own a.example:one:"+w.dir+"/one.private\na.example %:old:"+w.dir+"/old.private\n")
	var list []Adopted
	if _, err := w.do(func(r *Rotator) (o Outcome, err error) {
		list, err = r.Adopt(context.Background(), time.Time{})
		return o, err
	}); err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if list[0].OK {
		list[0], list[1] = list[1], list[0]
	}
	if !list[1].OK || list[1].Keys[0].Row != "own" || list[0].Reason != SharedRow || !strings.Contains(list[0].Detail, "another name") {
		t.Errorf("%+v", list)
	}
}

// Customers whose alias is missing stay on their old key.
func TestAliasMissing(t *testing.T) {
	w := newWorld(t, "Zone r.example cname=keys.example ring=k1,k2,k3 publisher=p\n", "")
	w.aliases["k1._domainkey.r.example"] = "k1._domainkey.r.example.keys.example"
	w.write("KeyTable", "kr r.example:k1:"+w.dir+"/r.private\n")
	w.key("r.example", "k1", w.dir+"/r.private")
	for _, f := range w.filters {
		f.read()
	}
	w.adopt()
	w.start("r.example")
	w.runFor(5, "")
	w.expect("k1=signing k2=asked(alias-missing")
	w.aliases["k2._domainkey.r.example"] = "k2._domainkey.r.example.keys.example"
	w.reach(100, "r.example: k2=signing; ")
	w.finish()
}

// A record that goes missing under a key that signs is told of.
func TestPresentRecordMissing(t *testing.T) {
	w := newOne(t, "")
	for _, s := range w.servers {
		s.has["old._domainkey.a.example"] = append(s.has["old._domainkey.a.example"], answer{w.true_, "", 0})
	}
	out, err := w.run()
	if err != nil || out.Blocked != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	for file, want := range map[string]string{metricsFile: "dojang_key_record_missing 1\n", summaryFile: `"missing":1`} {
		data, _ := os.ReadFile(w.set.State + "/" + file)
		if info, err := os.Stat(w.set.State + "/" + file); err != nil || info.Mode().Perm() != 0o644 ||
			!strings.Contains(string(data), want) {
			t.Errorf("%s: %v\n%s", file, err, data)
		}
	}
}

// Whoever is set for a domain now publishes its records, whatever was set when its key
// was adopted or its record asked for.
func TestPublisherIsTheOneOfToday(t *testing.T) {
	w := newWorld(t, "", "p p.example:one:DIR/p.private\n")
	w.adopt()
	asked := func() string {
		var names []string
		_, err := w.do(func(r *Rotator) (Outcome, error) {
			r.Publisher = func(name string) (publish.Publisher, error) { names = append(names, name); return w, nil }
			return r.Start(context.Background(), "p.example")
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	w.says = publish.Pending
	if got := asked(); got != "" {
		t.Errorf("asked %q first, want the person", got)
	}
	w.set.Zones = []settings.Zone{{Pattern: "*", Publisher: "p"}}
	w.says = ""
	if got := asked(); got != "p" {
		t.Errorf("asked %q, want p", got)
	}
	w.expect("20261129=asked")
	w.runFor(20, "20261129=signing")
}
