package doctor

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"dojang/internal/config"
)

// Postfix answers what Postfix is set to.
type Postfix struct {
	// Postconf runs postconf(1) with arguments; nil runs the program.
	Postconf func(ctx context.Context, args ...string) (string, error)
}

func (p Postfix) run(ctx context.Context, args ...string) (string, error) {
	if p.Postconf != nil {
		return p.Postconf(ctx, args...)
	}
	out, err := exec.CommandContext(ctx, "postconf", args...).Output()
	return string(out), err
}

// settings asks for parameters, expanded.
func (p Postfix) settings(ctx context.Context, names ...string) (map[string]string, error) {
	out, err := p.run(ctx, append([]string{"-x"}, names...)...)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values, nil
}

// Postfix looks at the milter lines of main.cf and master.cf.
func (r *Report) Postfix(ctx context.Context, p Postfix, sockets []config.Socket) {
	const check = "postfix"
	set, err := p.settings(ctx, "smtpd_milters", "non_smtpd_milters", "milter_default_action", "milter_protocol", "milter_connect_macros", "milter_mail_macros", "queue_directory")
	if err != nil {
		r.Add(check, Skipped, "", "Postfix's settings cannot be read (postconf: %s)", err)
		return
	}
	smtpd := r.milterList(check, "smtpd_milters", set["smtpd_milters"], sockets)
	r.milterList(check, "non_smtpd_milters", set["non_smtpd_milters"], sockets)
	r.order(check, set["smtpd_milters"], sockets)
	r.defaults(check, set)
	master, err := p.run(ctx, "-M", "smtp/inet")
	if err == nil && smtpd != "" {
		r.chroot(check, master, smtpd, set["queue_directory"])
	}
	r.masterOverrides(ctx, check, p)
}

// milterList looks for the filter in a list of milters and returns how it is
// written there.
func (r *Report) milterList(check, name, value string, sockets []config.Socket) string {
	for _, entry := range splitMilters(value) {
		if matchesAny(entry, sockets) {
			r.Add(check, Good, "", "%s names the filter: %s", name, entry)
			return entry
		}
	}
	remedy := "postconf -e '" + name + " = " + suggest(sockets) + "'"
	what := "mail that comes by SMTP passes the filter by"
	status := Bad
	if name == "non_smtpd_milters" {
		remedy = "postconf -e 'non_smtpd_milters = $smtpd_milters'"
		what = "mail that programs on this server send (sendmail, cron, web applications) passes the filter by"
		status = Warning
	}
	if value == "" {
		r.Add(check, status, remedy+" && postfix reload", "%s is empty: %s", name, what)
	} else {
		r.Add(check, status, remedy+" && postfix reload", "%s = %s does not name the filter's socket: %s", name, value, what)
	}
	return ""
}

func splitMilters(value string) []string {
	return strings.FieldsFunc(strings.NewReplacer("{", " ", "}", " ").Replace(value), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
}

func matchesAny(entry string, sockets []config.Socket) bool {
	for _, s := range sockets {
		if sameSocket(entry, s) {
			return true
		}
	}
	return false
}

// sameSocket compares Postfix's way of naming a socket with ours.
func sameSocket(entry string, s config.Socket) bool {
	kind, rest, _ := strings.Cut(entry, ":")
	if s.Network == "unix" {
		if kind != "unix" && kind != "local" {
			return false
		}
		// Within a chroot the path is relative to the queue folder.
		return rest == s.Address || strings.HasSuffix(s.Address, "/"+strings.TrimPrefix(rest, "/"))
	}
	i := strings.LastIndexByte(rest, ':')
	j := strings.LastIndexByte(s.Address, ':')
	return kind == "inet" && i >= 0 && rest[i+1:] == s.Address[j+1:] && !strings.Contains(entry, "/")
}

// suggest is what to write in main.cf.
func suggest(sockets []config.Socket) string {
	if len(sockets) == 0 {
		return "inet:127.0.0.1:8891"
	}
	return sockets[0].ForPostfix()
}

// order wants OpenDMARC behind us: it reads our results.
func (r *Report) order(check, value string, sockets []config.Socket) {
	entries := splitMilters(value)
	ours := slices.IndexFunc(entries, func(entry string) bool { return matchesAny(entry, sockets) })
	dmarc := slices.IndexFunc(entries, func(entry string) bool {
		return strings.Contains(strings.ToLower(entry), "dmarc") || strings.HasSuffix(entry, ":8893")
	})
	if dmarc < 0 || ours < dmarc {
		return
	}
	entry := entries[ours]
	right := strings.Join(slices.Insert(slices.Delete(entries, ours, ours+1), dmarc, entry), ", ")
	r.Add(check, Bad, "postconf -e 'smtpd_milters = "+right+"' && postfix reload", "OpenDMARC comes before the filter in smtpd_milters: it judges mail before there is a DKIM result")
}

func (r *Report) defaults(check string, set map[string]string) {
	switch action := set["milter_default_action"]; action {
	case "accept":
		r.Add(check, Good, "", "milter_default_action = accept: mail flows, unsigned, while the filter is down")
	case "", "tempfail":
		r.Add(check, Good, "", "milter_default_action = tempfail: mail waits while the filter is down")
	default:
		r.Add(check, Warning, "postconf -e 'milter_default_action = accept' && postfix reload", "milter_default_action = %s: mail is lost or refused while the filter is down", action)
	}
	if protocol := set["milter_protocol"]; protocol != "" && protocol != "6" {
		r.Add(check, Warning, "postconf -e 'milter_protocol = 6' && postfix reload", "milter_protocol = %s: it works, but protocol 6 keeps header fields byte for byte", protocol)
	}
	if macros := set["milter_mail_macros"]; macros != "" && !strings.Contains(macros, "{auth_type}") {
		r.Add(check, Warning, "postconf -X milter_mail_macros && postfix reload", "milter_mail_macros leaves out {auth_type}: mail of users who log in is not signed")
	}
}

// chroot looks whether smtpd, in its chroot, can reach a UNIX socket.
func (r *Report) chroot(check, master, entry, queue string) {
	fields := strings.Fields(strings.SplitN(master, "\n", 2)[0])
	kind, path, _ := strings.Cut(entry, ":")
	if len(fields) < 5 || kind == "inet" {
		return
	}
	if fields[4] != "y" {
		return
	}
	// smtpd opens the path inside the chroot: queue_directory + path.
	inside := filepath.Join(queue, path)
	if _, err := (Person{}).obstacle(inside, search); err != nil {
		r.Add(check, Bad, "Socket local:"+filepath.Join(queue, "opendkim/opendkim.sock")+"   (in opendkim.conf), smtpd_milters = unix:opendkim/opendkim.sock; or take inet:8891@localhost",
			"smtpd runs in the chroot %s and cannot see %s there", queue, path)
	}
}

// masterOverrides finds services that switch milters off.
func (r *Report) masterOverrides(ctx context.Context, check string, p Postfix) {
	out, err := p.run(ctx, "-P")
	if err != nil {
		return
	}
	for line := range strings.Lines(out) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		service, parameter := filepath.Split(strings.TrimSpace(name))
		if !ok || parameter != "smtpd_milters" || strings.TrimSpace(value) != "" {
			continue
		}
		remove := "postconf -PX " + strings.TrimSpace(name) + " && postfix reload"
		status, remedy := Warning, remove+"   (unless mail comes back to it from a content filter)"
		if strings.HasPrefix(service, "submission") || strings.HasPrefix(service, "smtps") || strings.HasPrefix(service, "465") || strings.HasPrefix(service, "587") {
			status, remedy = Bad, remove
		}
		r.Add(check, status, remedy, "master.cf: %s has no milters: what comes by it is neither signed nor verified", strings.TrimSuffix(service, "/"))
	}
}
