package doctor

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"dojang/internal/keystore"
)

// person is whose rights are looked at.
type person struct {
	Name   string
	UID    int
	Groups []int // all, the primary one included
}

// The rights a Person may need.
const (
	read   fs.FileMode = 4
	write  fs.FileMode = 2
	search fs.FileMode = 1
)

// obstacle returns the first component of a path that p may not use: each
// folder must be searchable and the last component give the rights. "" means
// that the way is free. It looks at the permission bits, as the kernel does.
func (p person) obstacle(path string, rights fs.FileMode) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for _, component := range append(keystore.Parents(path), path) {
		info, err := os.Stat(component)
		if err != nil {
			return component, err
		}
		need := search
		if component == path {
			need = rights
		}
		if !p.may(info, need) {
			return component, nil
		}
	}
	return "", nil
}

func (p person) may(info fs.FileInfo, rights fs.FileMode) bool {
	if p.UID == 0 {
		return true
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case int(owner.Uid) == p.UID:
		mode >>= 6
	case slices.Contains(p.Groups, int(owner.Gid)):
		mode >>= 3
	}
	return mode&rights == rights
}
