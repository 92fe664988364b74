//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"syscall"
)

// attributes are the mode and the owner of a file, the latter nil where it is who
// runs this, or where only root could keep it.
func attributes(path string) (fs.FileMode, *Owner, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return info.Mode().Perm(), nil, nil
	}
	return info.Mode().Perm(), &Owner{int(st.Uid), int(st.Gid)}, nil
}
