package keystore

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// folders remembers for a moment in which folders a key was found safe: thousands of
// keys in one folder are looked at one by one, and what is above them once. The zero
// value is ready for use, by many at once.
type folders struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// maxFolders bounds what is remembered.
const maxFolders = 1000

// note remembers the folder of a file that is safe together with all above it.
func (f *folders) note(path string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil || len(f.seen) >= maxFolders {
		f.seen = map[string]time.Time{}
	}
	f.seen[filepath.Dir(path)] = now
}

// safe reports whether a file is safe as far as that is known without looking at the
// folders again: its own was found so within the last while, and it is no symbolic
// link, which may lead elsewhere.
func (f *folders) safe(path string, now time.Time, while time.Duration, c *Checker) bool {
	f.mu.Lock()
	at, ok := f.seen[filepath.Dir(path)]
	f.mu.Unlock()
	if !ok || now.Sub(at) >= while {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && c.checkFile(path, info) == nil
}
