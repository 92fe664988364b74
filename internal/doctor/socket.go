package doctor

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"dojang/internal/config"
)

// Socket looks whether the filter answers on its socket, and whether Postfix can
// reach it. postfix is nil where there is no such user. It reports whether
// the filter answers.
func (r *Report) Socket(s config.Socket, postfix *Person) bool {
	const check = "socket"
	conn, err := net.DialTimeout(s.Network, s.DialAddress(), 3*time.Second)
	if err != nil {
		r.Add(check, Bad, socketRemedy(s, err), "the filter does not answer on %s: %s", s.Address, rootCause(err))
		return false
	}
	conn.Close()
	if s.Network != "unix" {
		r.Add(check, Good, "", "the filter answers on %s", s.Address)
		return true
	}
	if postfix == nil {
		r.Add(check, Good, "", "the filter answers on %s", s.Address)
		return true
	}
	component, err := postfix.obstacle(s.Address, write)
	switch {
	case err != nil:
		r.Add(check, Bad, "namei -l "+s.Address, "%s: %s", component, lastError(err))
	case component == s.Address:
		r.Add(check, Bad, "Socket local:"+s.Address+" mode=0660 group=postfix   (in opendkim.conf; then restart the filter)",
			"user postfix may not write to the socket %s", s.Address)
	case component != "":
		r.Add(check, Bad, "chmod o+x "+component, "user postfix may not search the folder %s, so it cannot reach the socket %s", component, s.Address)
	default:
		r.Add(check, Good, "", "the filter answers on %s, and user postfix may use it", s.Address)
	}
	return true
}

func socketRemedy(s config.Socket, err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "systemctl start opendkim   (the socket " + s.Address + " is not there)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "systemctl start opendkim; systemctl status opendkim says why it does not run"
	case errors.Is(err, os.ErrPermission):
		return "run this as root, or namei -l " + s.Address
	}
	return "systemctl status opendkim"
}

func rootCause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
