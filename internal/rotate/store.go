package rotate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dojang/internal/atomicfile"
)

// Store is the folder State: a file for each unit, the journal, the lock. No secret
// is in it but keys that wait for their row, in a folder of their own.
type Store struct {
	dir  string
	lock *os.File
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
	return s, nil
}

// Close gives the lock back.
func (s *Store) Close() {
	if s.lock != nil {
		s.lock.Close()
	}
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// unitFile is the file of a unit. Names are of domains and rows: what else stands in
// one of a row is written in hex.
func (s *Store) unitFile(name string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(name)) {
		if c == '-' || c == '_' || c == '.' && b.Len() > 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return filepath.Join(s.dir, "units", b.String()+".json")
}

// Broken is a unit file that cannot be read. It stops that unit alone.
type Broken struct {
	Path string
	Err  error
}

// Load reads every unit.
func (s *Store) Load() (units []*Unit, broken []Broken, err error) {
	dir := s.path("units")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		u, err := readUnit(path)
		if err != nil {
			broken = append(broken, Broken{path, err})
			continue
		}
		units = append(units, u)
	}
	return units, broken, nil
}

func readUnit(path string) (*Unit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	u := new(Unit)
	if err := json.Unmarshal(data, u); err != nil {
		return nil, err
	}
	if u.Name == "" || len(u.Domains) == 0 {
		return nil, errors.New("it names no unit")
	}
	return u, nil
}

// Unit reads one unit; nil when there is none.
func (s *Store) Unit(name string) (*Unit, error) {
	u, err := readUnit(s.unitFile(name))
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

// Forget takes a unit out.
func (s *Store) Forget(u *Unit) error { return os.Remove(s.unitFile(u.Name)) }

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

// Journal adds a line to log.jsonl.
func (s *Store) Journal(e Entry) error {
	f, err := os.OpenFile(s.path("log.jsonl"), os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return err
}

// ReadJournal calls f with each line of the journal of a unit, or of all for "".
func (s *Store) ReadJournal(unit string, f func(Entry)) error {
	data, err := os.ReadFile(s.path("log.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		var e Entry
		if json.Unmarshal([]byte(line), &e) == nil && (unit == "" || strings.EqualFold(e.Unit, unit)) {
			f(e)
		}
	}
	return nil
}
