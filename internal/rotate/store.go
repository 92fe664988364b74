package rotate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/keycheck"
	"dojang/internal/privilege"
)

// Store is the folder State: a file for each unit, the journal, the lock. No secret
// is in it but keys that wait for their row, in a folder of their own.
type Store struct {
	dir        string
	lock       *os.File
	journaling sync.Mutex
}

// ErrLocked says that another run holds the lock.
var ErrLocked = errors.New("another run is at work")

// OpenStore opens the folder, which it makes, and takes its lock, unless it is opened
// to read alone.
func OpenStore(dir string, readOnly bool) (*Store, error) {
	s := &Store{dir: dir}
	if readOnly {
		return s, nil
	}
	for _, d := range []struct {
		path string
		mode fs.FileMode
	}{{dir, 0o755}, {s.path("units"), 0o700}, {s.path("pending"), 0o700}} {
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	s.lock = lock
	s.sweep()
	return s, nil
}

// sweep takes away what runs that were killed left half written.
func (s *Store) sweep() {
	for _, dir := range []string{s.dir, s.path("pending")} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if atomicfile.Temporary(e.Name()) {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// Close gives the lock back.
func (s *Store) Close() {
	if s.lock != nil {
		s.lock.Close()
	}
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// maxFileName is how long the name of a file may get before a part of it is hashed,
// with room for what atomicfile adds.
const maxFileName = 200

// shortName cuts a file's name that is too long, so that it stays one of its own.
func shortName(name string) string {
	if len(name) <= maxFileName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:maxFileName-33] + "-" + hex.EncodeToString(sum[:16])
}

// unitFile is the file of a unit. Names are of domains and rows: what else stands in
// one of a row is written in hex.
func (s *Store) unitFile(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c == '-' || c == '_' || c == '.' && b.Len() > 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return filepath.Join(s.dir, "units", shortName(b.String())+".json")
}

// Broken is a unit file that cannot be read. It stops that unit alone.
type Broken struct {
	Name string // of the unit, as far as its file's name tells
	Err  error
}

// load reads every unit and returns those that keep wants. keep is called by one
// goroutine at a time, in no order.
func (s *Store) load(keep func(*Unit) bool) (units []*Unit, broken []Broken, err error) {
	dir := s.path("units")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	names := make(chan string)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for name := range names {
				u, err := s.readUnit(filepath.Join(dir, name))
				mu.Lock()
				if err != nil {
					broken = append(broken, Broken{strings.TrimSuffix(name, ".json"), err})
				} else if keep(u) {
					units = append(units, u)
				}
				mu.Unlock()
			}
		})
	}
	for _, e := range entries {
		if s.lock != nil && atomicfile.Temporary(e.Name()) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // of a run that was killed
		}
		if strings.HasSuffix(e.Name(), ".json") && !strings.HasPrefix(e.Name(), ".") {
			names <- e.Name()
		}
	}
	close(names)
	wait.Wait()
	slices.SortFunc(units, func(a, b *Unit) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(broken, func(a, b Broken) int { return strings.Compare(a.Name, b.Name) })
	return units, broken, nil
}

// readUnit reads a unit file. The error of one that cannot be believed says what to do.
func (s *Store) readUnit(path string) (*Unit, error) {
	data, err := privilege.ReadAsIs(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	u := new(Unit)
	if err == nil {
		err = json.Unmarshal(data, u)
	}
	if err == nil && s.unitFile(u.Name) != path {
		err = errors.New("it is not of the unit that its name says")
	}
	if err == nil {
		err = u.check()
	}
	if file := new(fs.PathError); errors.As(err, &file) {
		err = file.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: mend it, or take it away and run dojang keys adopt", path, err)
	}
	return u, nil
}

// check finds what no program of this version wrote.
func (u *Unit) check() error {
	if u.Name == "" || len(u.Domains) == 0 {
		return errors.New("it has no name or no domain")
	}
	for _, g := range u.Generations {
		switch {
		case g == nil || len(g.Keys) == 0:
			return errors.New("a generation has no keys")
		case g.State == BlockedState || g.State == Unmanaged || !slices.Contains(States(), g.State):
			return fmt.Errorf("no generation is ever %q", g.State)
		}
		for _, k := range g.Keys {
			if k.Selector == "" || k.Domain == "" || k.Type == "" {
				return errors.New("a key has no selector, domain or type")
			}
		}
	}
	return nil
}

// unit reads one unit; nil when there is none.
func (s *Store) unit(name string) (*Unit, error) {
	u, err := s.readUnit(s.unitFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return u, err
}

// Save writes a unit, whole and on the disk before it returns.
func (s *Store) Save(u *Unit) error {
	data, err := json.MarshalIndent(u, "", " ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.unitFile(u.Name), append(data, '\n'), atomicfile.Options{}); err != nil {
		return err
	}
	u.changed = false
	return nil
}

// Entry is a line of the journal.
type Entry struct {
	Time   time.Time `json:"time"`
	Unit   string    `json:"unit"`
	Act    string    `json:"act"`
	From   State     `json:"from,omitempty"`
	To     State     `json:"to,omitempty"`
	Keys   []string  `json:"keys,omitempty"` // record names
	Detail string    `json:"detail,omitempty"`
}

// journal adds a line to log.jsonl.
func (s *Store) journal(e Entry) error {
	s.journaling.Lock()
	defer s.journaling.Unlock()
	f, err := os.OpenFile(s.path("log.jsonl"), os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if n, err := f.Write(append(line, '\n')); err != nil {
		if info, e := f.Stat(); e == nil && n > 0 { // half a line would spoil the next one
			_ = f.Truncate(info.Size() - int64(n))
		}
		return err
	}
	return nil
}

// about reports whether a line is of a unit or tells of a record of that domain: in a Group
// others have theirs beside it.
func (e *Entry) about(name string) bool {
	return keycheck.SameDomain(e.Unit, name) || slices.ContainsFunc(e.Keys, func(record string) bool {
		_, domain, _ := strings.Cut(record, "._domainkey.")
		return keycheck.SameDomain(domain, name)
	})
}

// ReadJournal calls f with each line of the journal about units or domains, or with all for
// none.
func (s *Store) ReadJournal(f func(Entry), names ...string) error {
	data, err := privilege.ReadAsIs(s.path("log.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		var e Entry
		if json.Unmarshal([]byte(line), &e) == nil && (len(names) == 0 || slices.ContainsFunc(names, e.about)) {
			f(e)
		}
	}
	return nil
}
