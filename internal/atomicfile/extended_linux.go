package atomicfile

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// extended are a file's extended attributes: ACLs, security labels and the rest.
type extended map[string][]byte

// maxAttributes bounds what is read of them.
const maxAttributes = 64 << 10

func readExtended(path string) extended {
	names := make([]byte, maxAttributes)
	n, err := unix.Listxattr(path, names)
	if err != nil {
		return nil
	}
	attrs := extended{}
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		value := make([]byte, maxAttributes)
		if n, err := unix.Getxattr(path, name, value); err == nil && name != "" {
			attrs[name] = value[:n]
		}
	}
	return attrs
}

// write gives them to a new file. One that the system refuses is left out: the file
// then has what the folder gives to new ones.
func (e extended) write(f *os.File) {
	for name, value := range e {
		_ = unix.Fsetxattr(int(f.Fd()), name, value, 0)
	}
}
