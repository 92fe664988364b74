package keystore

import (
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// grant is what an ACL gives to somebody beside the file's owner and the others.
type grant struct {
	group bool
	id    int
	right fs.FileMode // 4 read, 2 write, 1 search
}

// Tags of an entry in a POSIX ACL (linux/posix_acl.h).
const (
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
)

// grants reads the access ACL of a file: what named users and groups may and,
// by an entry with the ID of the file's own group, what that group may, since the
// group's bits of its mode are only the mask over all of them. A file without ACL
// has none, and ok is false.
func grants(path string, gid int) (list []grant, ok bool) {
	const headBytes, entryBytes, version = 4, 8, 2
	text := make([]byte, 64<<10)
	n, err := unix.Getxattr(path, "system.posix_acl_access", text)
	if err != nil || n < headBytes || binary.LittleEndian.Uint32(text) != version {
		return nil, false
	}
	mask := fs.FileMode(7)
	for e := text[headBytes:n]; len(e) >= entryBytes; e = e[entryBytes:] {
		tag, right, id := binary.LittleEndian.Uint16(e), fs.FileMode(binary.LittleEndian.Uint16(e[2:])),
			int(binary.LittleEndian.Uint32(e[4:]))
		switch tag {
		case aclUser, aclGroup:
			list = append(list, grant{tag == aclGroup, id, right})
		case aclGroupObj:
			list = append(list, grant{true, gid, right})
		case aclMask:
			mask = right
		}
	}
	for i := range list {
		list[i].right &= mask
	}
	return list, true
}
