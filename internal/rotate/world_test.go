package rotate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
	"dojang/internal/testutil"
)

// world is name servers, filters, a publisher and a clock, all of which can fail, and a
// witness who sees every signature and every answer that a cache may hold.
type world struct {
	t      *testing.T
	mu     sync.Mutex
	dir    string
	true_  time.Time // which no program sees
	skew   time.Duration
	boot   int
	booted time.Time

	minimum time.Duration
	untold  bool   // by the name servers
	dead    string // a zone that nobody answers for
	servers []*server
	aliases map[string]string
	lost    bool          // the publisher's next answer is lost
	slow    time.Duration // that a look at name servers takes
	blind   bool          // a witness elsewhere sees nothing
	witness []Checker
	atOnce  int // units worked on together; 0 is one, in their order
	says    publish.State
	told    []publish.Change // to a person
	asked   int

	filters    []*filter
	recipients []string
	keyOf      keystore.Options
	keys       func() *keystore.Store // what check loads keys with
	set        *settings.Settings
	table      string
	killAt     int
	durables   int
	signed     map[string]time.Time // by record name: when a filter signed with it last, truly
	exempt     map[string]bool      // records that an emergency may take away
	problems   []string
	telling    sync.Mutex
	log        strings.Builder
}

// server is a name server: what it has, and had, at each name.
type server struct {
	name   string
	silent bool
	lags   bool // it does not follow the first
	has    map[string][]answer
}

type answer struct {
	from time.Time
	text string
	ttl  time.Duration
}

func (s *server) at(name string) (text string, ttl time.Duration) {
	list := s.has[name]
	if len(list) == 0 {
		return "", 0
	}
	return list[len(list)-1].text, list[len(list)-1].ttl
}

const killed = "killed here"

func newWorld(t *testing.T, rotate, table string) *world {
	t.Helper()
	w := &world{t: t, dir: memoryDir(t), true_: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), minimum: time.Minute,
		aliases: map[string]string{}, signed: map[string]time.Time{}, exempt: map[string]bool{}}
	w.booted = w.true_
	w.keyOf.Accounts = accounts()
	w.keys = sync.OnceValue(w.loader)
	w.servers = []*server{{name: "ns1", has: map[string][]answer{}}, {name: "ns2", has: map[string][]answer{}}}
	conf := w.write("rotate.conf", "State "+w.dir+"/state\nPublisher p rfc2136 server=127.0.0.1 key=/k\nInterval "+
		"1000s\nKeepOld 300s\nKeepRevoked 100s\nMargin 5s\n"+
		"Proofs 2\nProofInterval 10s\nMaxCredit 50s\nTTL 30s\n"+rotate)
	set, problems := settings.Load(conf)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	w.set = set
	w.table = w.write("KeyTable", strings.ReplaceAll(table, "DIR", w.dir))
	for line := range strings.Lines(strings.ReplaceAll(table, "DIR", w.dir)) {
		if row := strings.Fields(line); len(row) > 1 && row[0] != "#" {
			of, err := readRow(dataset.Split(row[1], 4))
			if err != nil {
				t.Fatal(err)
			}
			w.key(of.Domain, of.Selector, of.Key)
		}
	}
	w.filters = []*filter{w.newFilter("one"), w.newFilter("two")}
	return w
}

// accounts are the system's, which no life changes: each process of a world would read them anew.
var accounts = sync.OnceValue(func() *keystore.Accounts {
	a, _ := keystore.ReadAccounts("", "")
	return a
})

// memoryDir is a folder where fsync costs nothing, if there is one: a life takes hundreds.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := testutil.TempDir("/dev/shm", "dojang-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (w *world) newFilter(name string) *filter {
	f := &filter{w: w, name: name, last: map[string]time.Time{}, total: map[string]uint64{}}
	f.read()
	return f
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// key makes a key and publishes its record, long ago.
func (w *world) key(domain, selector, path string) {
	w.t.Helper()
	pair, err := keystore.GenerateEd25519()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		data, _ := os.ReadFile(path)
		key, _ := keystore.LoadPrivateKey(data)
		pair.Public = key.Public()
	} else if err := os.WriteFile(path, pair.PEM, 0o600); err != nil {
		w.t.Fatal(err)
	}
	_, public, _ := keyrecord.PublicKey(pair.Public)
	text := keyrecord.Record{KeyType: "ed25519", PublicKey: public}.Text()
	for _, s := range w.servers {
		s.has[w.place(recordName(selector, domain))] = []answer{{w.true_.Add(-24 * time.Hour), text, 30 * time.Second}}
	}
}

func (w *world) place(name string) string {
	if to := w.aliases[name]; to != "" {
		return to
	}
	return name
}

func (w *world) problem(format string, args ...any) {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.true_.Add(w.skew)
}

// rotator is a new process.
func (w *world) rotator() *Rotator {
	w.t.Helper()
	store, err := OpenStore(w.set.State, false)
	if err != nil {
		w.t.Fatal(err)
	}
	table := dataset.TextTable{Path: w.table}
	set, err := dataset.Open(w.t.Context(), w.table, dataset.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	o := Options{Settings: w.set, Store: store, Checker: w, Publisher: func(string) (publish.Publisher, error) { return w, nil },
		KeyTable: Table{Spec: w.table, Set: set, Swap: table}, Keys: keystore.New(set,
			w.keyOf), KeyOf: w.keyOf, Recipients: w.recipients, Filter: w.filters[0],
		Witness: w.witness, Now: w.now, Uptime: func() (string, time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return fmt.Sprint(w.boot), w.true_.Sub(w.booted)
		}, Sleep: func(d time.Duration) { w.pass(d) }, Durable: w.durable, Out: &w.log}
	for _, f := range w.filters {
		o.Hosts = append(o.Hosts, f)
	}
	r := New(o)
	r.atOnce = max(1, w.atOnce)
	return r
}

// do runs f in a process of its own, which may be killed.
func (w *world) do(f func(*Rotator) (Outcome, error)) (out Outcome, err error) {
	r := w.rotator()
	defer func() {
		r.Store.Close()
		r.KeyTable.Set.Close()
		if v := recover(); v != nil {
			if v != killed {
				panic(v)
			}
			err = errors.New(killed)
		}
	}()
	return f(r)
}

func (w *world) run() (Outcome, error) {
	return w.do(func(r *Rotator) (Outcome, error) { return r.Run(context.Background()) })
}

// durable is told of each step that outlives a crash.
func (w *world) durable(string) {
	w.mu.Lock()
	w.durables++
	die := w.durables == w.killAt
	w.mu.Unlock()
	w.check()
	if die {
		panic(killed)
	}
}

// pass lets time pass, in which filters sign.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	w.true_ = w.true_.Add(d)
	w.mu.Unlock()
	for _, f := range w.filters {
		f.sign()
	}
	w.check()
}

// loader loads keys, and looks at each file anew each time.
func (w *world) loader() *keystore.Store {
	o := w.keyOf
	o.Recheck = 1
	return keystore.New(nil, o)
}

// check holds the table: it names whole keys at every instant.
func (w *world) check() {
	set, err := dataset.Open(context.Background(), w.table, dataset.Options{})
	if err != nil {
		w.problem("the table cannot be read: %s", err)
		return
	}
	defer set.Close()
	keys := w.keys()
	_ = keystore.Rows(context.Background(), set, w.table, func(row keystore.TableRow) error {
		if row.Err != nil {
			w.problem("row %q: %s", row.Name, row.Err)
			return nil
		}
		domain := row.Domain
		if domain == "%" {
			domain = "a.example"
		}
		of, _ := row.ForSender(domain)
		if _, err := keys.Load(context.Background(), row.Name, of); err != nil {
			w.problem("row %q names no whole key: %s", row.Name, err)
		}
		return nil
	})
}

// Check implements Checker: what keycheck says of such servers.
func (w *world) Check(_ context.Context, c keycheck.Check) *keycheck.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.true_ = w.true_.Add(w.slow)
	name := recordName(c.Selector, c.Domain)
	r := &keycheck.Report{Domain: c.Domain, Selector: c.Selector, Record: name, OK: true, Texts: []keycheck.Text{},
		Zone: keycheck.Zone{Name: zoneOf(name), MinimumSeconds: int64(w.minimum.Seconds())}}
	if w.untold {
		r.Zone.MinimumSeconds, r.Zone.MinimumUntold = 0, true
	}
	if to := w.aliases[name]; to != "" {
		r.Aliases = append(r.Aliases, keycheck.Alias{Name: name, Target: to, TTLSeconds: 20, Zone: r.Zone})
		name = to
		r.Zone.Name = zoneOf(name)
	}
	count := map[keycheck.State]int{}
	for _, s := range w.servers {
		text, ttl := s.at(name)
		out := keycheck.Server{Name: s.name, State: keycheck.Same, Ignored: slices.Contains(c.IgnoreServers, s.name)}
		fits := c.Text == text
		if c.Key != nil {
			fits = text != "" && keycheck.Judge(text, c.Key).Key != nil && keycheck.SameKey(keycheck.Judge(text, nil).Key.Key, c.Key)
		}
		switch {
		case s.silent, w.dead == r.Zone.Name:
			out.State, out.Error = keycheck.NoAnswer, keycheck.ErrSilent
		case text == "":
			out.State = keycheck.Missing
		default:
			seconds := int64(ttl.Seconds())
			out.Texts, out.TTLSeconds = []keycheck.Text{{Text: text}}, &seconds
			if (c.Text != "" || c.Key != nil) && !fits {
				out.State = keycheck.Differs
			} else {
				r.Texts = out.Texts
			}
		}
		if !out.Ignored {
			count[out.State]++
		}
		r.Servers = append(r.Servers, out)
	}
	switch {
	case c.Alias != "" && (len(r.Aliases) == 0 || r.Aliases[0].Target != c.Alias):
		r.Publication = keycheck.AliasMissing
	case count[keycheck.Same]+count[keycheck.Differs] == 0 && count[keycheck.Missing] > 0:
		r.Publication = keycheck.NotPublished
	case count[keycheck.Same] == 0 && count[keycheck.Differs] > 0 && count[keycheck.Missing] == 0:
		r.Publication = keycheck.Conflict
	case count[keycheck.Differs] > 0 || count[keycheck.Same] > 0 && count[keycheck.Missing] > 0:
		r.Publication = keycheck.ServerDiffers
	case count[keycheck.NoAnswer] > 0:
		r.Publication = keycheck.ServerSilent
	default:
		r.Publication = keycheck.Published
	}
	if len(r.Texts) == 0 {
		for _, s := range r.Servers {
			if len(s.Texts) > 0 {
				r.Texts = s.Texts
			}
		}
	}
	return r
}

// witness is a resolver elsewhere, which sees what the first server has, or nothing.
type witness struct{ w *world }

func (x witness) Check(_ context.Context, c keycheck.Check) *keycheck.Report {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	text, _ := x.w.servers[0].at(recordName(c.Selector, c.Domain))
	return &keycheck.Report{OK: !x.w.blind && c.ResolverOnly && text == c.Text}
}
