package rotate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/publish"
	"dojang/internal/testutil"
)

const twoDomains = "# keys\nka\ta.example:old:DIR/a.private # the first\nkp1 p.example:one:DIR/p1.private\nkp2 " +
	"p.example:two:DIR/p2.private\n"

func (w *world) adopt() {
	w.t.Helper()
	_, err := w.do(func(r *Rotator) (Outcome, error) {
		list, err := r.Adopt(context.Background(), w.now())
		for _, a := range list {
			if !a.OK {
				w.t.Fatalf("%s: %s %s", a.Name, a.Reason, a.Detail)
			}
		}
		return Outcome{}, err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) units() (units []*Unit) {
	w.t.Helper()
	store, _ := OpenStore(w.set.State, true)
	units, broken, err := store.load(func(*Unit) bool { return true })
	if err != nil || len(broken) > 0 {
		w.t.Fatal(err, broken)
	}
	return units
}

// states are the states of all keys.
func (w *world) states() string {
	var b strings.Builder
	for _, u := range w.units() {
		fmt.Fprintf(&b, "%s:", u.Name)
		for _, g := range u.Generations {
			fmt.Fprintf(&b, " %s=%s", g.Keys[0].Selector, g.State)
			if g.Blocked != nil {
				fmt.Fprintf(&b, "(%s: %s)", g.Blocked.Reason, g.Blocked.Detail)
			}
		}
		b.WriteString("; ")
	}
	return b.String()
}

func (w *world) finish() {
	w.t.Helper()
	for i, p := range w.problems {
		if i < 5 {
			w.t.Error(p)
		}
	}
	if w.t.Failed() {
		w.t.Logf("%s\n%s", w.states(), w.log.String())
	}
}

// through runs until every unit has gone once through a whole life and is idle.
func (w *world) through(units int) bool {
	w.t.Helper()
	first := map[string]string{}
	for _, u := range w.units() {
		if g := u.signing(); g != nil && !strings.Contains(w.log.String(), u.Name+": ") {
			first[u.Name] = g.Keys[0].Selector
		}
	}
	for range 400 {
		w.pass(17 * time.Second)
		if _, err := w.run(); err != nil && err.Error() != killed {
			w.t.Fatal(err)
		}
		idle := 0
		for _, u := range w.units() {
			if g := u.Generations; len(g) == 1 && g[0].State == Signing && g[0].Keys[0].Selector != first[u.Name] && u.idle() {
				idle++
			}
		}
		if idle == units {
			return true
		}
	}
	return false
}

func TestLife(t *testing.T) {
	w := newWorld(t, "Zone * p\n", twoDomains)
	w.adopt()
	if !w.through(2) {
		t.Errorf("it does not end: %s", w.states())
	}
	table, _ := os.ReadFile(w.table)
	for _, want := range []string{"# keys\nka\ta.example:20261129:" + w.dir + "/a.example.20261129.private # the first\n",
		"kp1 p.example:20261129:", "\nkp2 p.example:20261129b:"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	for _, gone := range []string{"a.private", "p1.private", "p2.private"} {
		if _, err := os.Stat(w.dir + "/" + gone); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	w.finish()
}

// Without the wait, mail fails: else the tests prove nothing.
func TestLifeWithoutWaits(t *testing.T) {
	w := newWorld(t, "Zone * p\nMargin 0\n", twoDomains)
	w.adopt()
	real := w.minimum
	for range 200 {
		w.pass(7 * time.Second)
		w.minimum = 0 // what the run is told
		_, _ = w.run()
		w.minimum = real
	}
	if len(w.problems) == 0 {
		t.Error("mail never fails without waits")
	}
}

// Killed at every durable step, and run on.
func TestKills(t *testing.T) {
	stride := 40
	if testutil.Long() {
		stride = 1
	}
	n, runs := 1+stride/2, 0
	for ; ; n += stride {
		w := newWorld(t, "Zone r.example cname=keys.example ring=k1,k2,k3 publisher=p\nZone * p\n", twoDomains)
		runs++
		w.killAt = n
		w.adopt0()
		if !w.through(2) {
			t.Errorf("killed at step %d, it does not end: %s", n, w.states())
		}
		w.finish()
		if t.Failed() {
			t.Fatalf("killed at step %d", n)
		}
		if w.durables < n {
			break
		}
	}
	if n < 100 {
		t.Errorf("%d durable steps", n)
	}
	t.Logf("killed %d times in lives of %d steps", runs, n)
}

// adopt0 adopts, and again when it was killed.
func (w *world) adopt0() {
	for range 2 {
		_, _ = w.do(func(r *Rotator) (Outcome, error) {
			_, err := r.Adopt(context.Background(), w.now())
			return Outcome{}, err
		})
	}
}

// Whatever fails meanwhile, in whatever order: nothing that a verifier may see is wrong,
// and when all is mended the lives go on to their ends.
func TestLivesWithFaults(t *testing.T) {
	lives := 5
	if testutil.Long() {
		lives = 300
	}
	for i := range lives {
		seed := []uint64{0, 1, 2, 3, 1798671629497567751}[i%5]
		if testutil.Long() {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			w := newWorld(t, "Zone r.example cname=keys.example ring=k1,k2,k3 publisher=p\nZone * p\n", twoDomains)
			for _, s := range []string{"k1", "k2", "k3"} {
				w.aliases[s+"._domainkey.r.example"] = s + "._domainkey.r.example.keys.example"
			}
			table, _ := os.ReadFile(w.table)
			w.write("KeyTable", string(table)+"kr r.example:k1:"+w.dir+"/r.private\n")
			w.key("r.example", "k1", w.dir+"/r.private")
			for _, f := range w.filters {
				f.read()
			}
			w.adopt()
			for range 150 {
				w.fault(r)
				w.pass(time.Duration(1+r.IntN(40)) * time.Second)
				if r.IntN(3) > 0 {
					_, _ = w.run()
				}
				if len(w.problems) > 0 {
					break
				}
			}
			w.mend()
			if len(w.problems) == 0 && !w.through(3) {
				t.Errorf("it does not end: %s", w.states())
			}
			if w.finish(); t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// fault makes something fail, or mends it.
func (w *world) fault(r *rand.Rand) {
	coin := func(n int) bool { return r.IntN(n) == 0 }
	switch r.IntN(14) {
	case 0:
		w.skew = []time.Duration{0, -24 * time.Hour, 365 * 24 * time.Hour, time.Hour}[r.IntN(4)]
	case 1: // off for a while
		w.mu.Lock()
		w.true_ = w.true_.Add(time.Duration(r.IntN(600)) * time.Second)
		w.boot, w.booted = w.boot+1, w.true_
		w.mu.Unlock()
	case 2:
		w.servers[r.IntN(2)].silent = coin(2)
	case 3:
		w.servers[1].lags = coin(2)
		if !w.servers[1].lags {
			w.catchUp()
		}
	case 4:
		w.lost = true
	case 5:
		w.says = []publish.State{"", publish.Refused, publish.Retry, publish.Done, publish.Pending}[r.IntN(5)]
	case 6:
		w.filters[0].refuses = coin(2)
	case 7:
		w.filters[1].lags = coin(2)
		if !w.filters[1].lags {
			w.filters[1].read()
		}
	case 8:
		w.filters[r.IntN(2)].silent = coin(2)
	case 9, 10:
		w.killAt = w.durables + 1 + r.IntN(6)
	case 11:
		data, _ := os.ReadFile(w.table)
		w.write("KeyTable", fmt.Sprintf("# %d\n%s", r.IntN(1000), strings.TrimPrefix(string(data), "# x\n")))
	case 12:
		w.says = ""
		for _, f := range w.filters {
			f.silent, f.refuses = false, false
		}
	case 13:
		w.servers[0].silent, w.servers[1].silent, w.servers[1].lags = false, false, false
		w.catchUp()
	}
}

// mend ends every fault.
func (w *world) mend() {
	w.skew, w.lost, w.says, w.killAt = 0, false, "", 0
	for _, c := range w.told { // the person does it at last
		w.apply(c)
	}
	for _, s := range w.servers {
		s.silent, s.lags = false, false
	}
	w.catchUp()
	for _, f := range w.filters {
		f.silent, f.refuses, f.lags = false, false, false
		f.read()
	}
}
