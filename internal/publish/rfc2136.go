package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// Bounds of what is sent to a server and of how long it is waited for.
const (
	maxUpdateChanges = 100              // BIND takes about 140 records of 2,048-bit keys in 64 KiB
	maxUpdateBytes   = 60000            // of 65,535, before names are compressed; the rest is for TSIG
	updateTimeout    = 20 * time.Second // one message and its answer
	updateRounds     = 4                // how often one message's changes are sent at most
	updatePause      = 500 * time.Millisecond
)

// updater publishes by dynamic updates (RFC 2136) over TCP, signed by TSIG (RFC 8945).
type updater struct {
	server string // host:port
	key    tsigKey
	conn   net.Conn // between messages of one Apply; nil when there is none
}

// Apply implements Publisher. Messages are sent one after the other; each is made
// whole or not at all (RFC 2136 §3.7).
func (u *updater) Apply(ctx context.Context, b Batch) ([]Result, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	defer u.hangUp()
	zone, known := dns.CanonicalName(b.Zone), outcome{}
	for rest := b.Changes; len(rest) > 0; {
		part := u.part(rest)
		rest = rest[len(part):]
		if err := u.apply(ctx, zone, part, known); err != nil {
			known.setAll(rest, Retry, "not sent: the server does not answer")
			return known.list(b.Changes), fmt.Errorf("%s: %w", u.server, err)
		}
	}
	return known.list(b.Changes), nil
}

// part is as many of the changes as one message takes.
func (u *updater) part(changes []Change) []Change {
	bytes := 0
	for i, c := range changes {
		// A name of 255 octets, at most five records that bear it, and their texts.
		bytes += 5*(len(c.Name)+16) + len(c.Text) + len(c.Strings)
		for _, s := range c.IfStrings {
			bytes += len(s) + 1
		}
		if i > 0 && (i == maxUpdateChanges || bytes > maxUpdateBytes) {
			return changes[:i]
		}
	}
	return changes
}

// apply sends changes until each is known, or gives up. What a prerequisite stops is
// looked at: it ends, or goes on with the strings that the server has. What the server
// refuses as a whole is halved, until those that it refuses stand alone.
func (u *updater) apply(ctx context.Context, zone string, changes []Change, known outcome) error {
	var last error
	for round := range updateRounds {
		if len(changes) == 0 {
			return nil
		}
		if last != nil {
			if err := sleep(ctx, updatePause<<round); err != nil {
				return last
			}
		}
		answer, err := u.exchange(ctx, u.update(zone, changes))
		var refused *refusal
		switch {
		case errors.Is(err, errUnsure):
			last = err
			if due, err := u.examine(ctx, zone, changes, known, false); err == nil {
				changes = due
			}
		case errors.As(err, &refused):
			if len(changes) > 1 && !refused.all && u.keyWorks(ctx, zone) {
				return u.halve(ctx, zone, changes, known)
			}
			known.setAll(changes, Refused, refused.Error())
			return nil
		case answer == dns.RcodeSuccess:
			known.setAll(changes, Done, "")
			return nil
		case answer == dns.RcodeServerFailure:
			last = errors.New("the server failed (SERVFAIL)")
		default: // a prerequisite
			due, err := u.examine(ctx, zone, changes, known, true)
			if last = err; err == nil && round > 0 && len(due) == len(changes) && len(due) > 1 {
				return u.halve(ctx, zone, due, known)
			}
			changes = due
		}
	}
	if errors.Is(last, errUnsure) {
		return last
	}
	known.setAll(changes, Retry, retryDetail(last))
	return nil
}

func retryDetail(last error) string {
	if last == nil {
		return "what stands there changes all the time"
	}
	return last.Error()
}

// halve finds the changes of a message that keep the others from being made.
func (u *updater) halve(ctx context.Context, zone string, changes []Change, known outcome) error {
	half := len(changes) / 2
	if err := u.apply(ctx, zone, changes[:half], known); err != nil {
		known.setAll(changes[half:], Retry, "not sent: the server does not answer")
		return err
	}
	return u.apply(ctx, zone, changes[half:], known)
}

// remark says what an answer means to who looks after the server.
func remark(rcode int) string {
	switch rcode {
	case dns.RcodeRefused:
		return ": the key has no right to change this name (BIND: update-policy, Knot: acl, PowerDNS: TSIG-ALLOW-DNSUPDATE)"
	case dns.RcodeNotAuth:
		return ": it does not serve this zone as its primary, or does not know the key"
	case dns.RcodeNotImplemented:
		return ": it takes no dynamic updates"
	}
	return ""
}

// update is the message of some changes (RFC 2136 §2.4, §2.5). A server drops a record
// that is added where an alias stands without a word (§3.4.2.2), so none may be there.
func (u *updater) update(zone string, changes []Change) *dns.Msg {
	m := new(dns.Msg)
	m.SetUpdate(zone)
	for _, c := range changes {
		name := c.Name + "."
		if c.Do == DoPresent {
			m.RRsetNotUsed([]dns.RR{txt(name, 0, nil), &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME}}})
		} else {
			m.Used([]dns.RR{txt(name, 0, c.IfStrings)})
			m.RemoveRRset([]dns.RR{txt(name, 0, nil)})
		}
		if c.Do != DoAbsent {
			m.Insert([]dns.RR{txt(name, c.TTLSeconds, c.Strings)})
		}
	}
	return m
}

// txt makes a record of strings as they are on the wire.
func txt(name string, ttl int, strs []string) *dns.TXT {
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(ttl)}}
	for _, s := range strs {
		rr.Txt = append(rr.Txt, escape(s))
	}
	return rr
}

// examine asks the server what stands at the names of changes, and returns those that
// are still to be made, with the strings that the server has: a prerequisite compares
// strings, not their text. Without judge only what is done is known by it, since an
// answer that came from a wildcard tells nothing of the name itself.
func (u *updater) examine(ctx context.Context, zone string, changes []Change, known outcome, judge bool) (due []Change, err error) {
	for i, c := range changes {
		at, err := u.read(ctx, c.Name+".")
		if err != nil {
			return append(due, changes[i:]...), err
		}
		end, isDue := c.judge(at)
		if !isDue && end.State == Conflict && judge {
			if at, err = u.withoutWildcard(ctx, zone, c.Name+".", at); err != nil {
				return append(due, changes[i:]...), err
			}
			end, isDue = c.judge(at)
		}
		switch {
		case !isDue && (judge || end.State == Done):
			known.set(end)
			continue
		case isDue && len(at.records) == 1 && c.Do != DoPresent:
			c.IfStrings = at.records[0]
		}
		due = append(due, c)
	}
	return due, nil
}

// withoutWildcard returns what stands at a name itself: a message that changes nothing
// asks by its prerequisites, which see no wildcard (RFC 2136 §3.2.5).
func (u *updater) withoutWildcard(ctx context.Context, zone, name string, at standing) (standing, error) {
	m := new(dns.Msg)
	m.SetUpdate(zone)
	m.RRsetNotUsed([]dns.RR{txt(name, 0, nil), &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME}}})
	answer, err := u.exchange(ctx, m)
	if err == nil && answer == dns.RcodeSuccess {
		return standing{}, nil
	}
	return at, err
}

// errUnsure means that a change may have been made.
var errUnsure = errors.New("no answer that can be trusted")

func unsure(err error) error { return fmt.Errorf("%w: %w", errUnsure, err) }

// refusal is a server's word that it did not take a message.
type refusal struct {
	text string
	all  bool // it would take no other either
}

func (r *refusal) Error() string { return r.text }

// exchange sends an update and returns the code of its answer: NOERROR, SERVFAIL or that
// of a prerequisite. An error is errUnsure or a refusal.
func (u *updater) exchange(ctx context.Context, m *dns.Msg) (rcode int, err error) {
	r, err := u.ask(ctx, m)
	if err != nil {
		return 0, err
	}
	if r.Opcode != dns.OpcodeUpdate {
		return 0, unsure(errors.New("the answer is none to an update"))
	}
	switch r.Rcode {
	case dns.RcodeSuccess, dns.RcodeServerFailure, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeYXDomain, dns.RcodeNameError:
		return r.Rcode, nil
	}
	return 0, &refusal{text: "the server answers " + dns.RcodeToString[r.Rcode] + remark(r.Rcode)}
}

// ask sends a signed message and returns the answer, which is signed too.
func (u *updater) ask(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	if err := u.dial(ctx); err != nil {
		return nil, unsure(err)
	}
	const fudgeSeconds = 300 // RFC 8945 §10
	m.SetTsig(u.key.name, u.key.algorithm, fudgeSeconds, time.Now().Unix())
	client := dns.Client{Net: "tcp", Timeout: updateTimeout, TsigSecret: map[string]string{u.key.name: u.key.secret}}
	// A dns.Conn of its own, since one signs a second question as if it answered the first.
	r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: u.conn})
	if r != nil && r.Id == m.Id && r.Response {
		if refused := u.refusalOf(r); refused != nil {
			u.hangUp()
			return nil, refused
		}
	}
	switch {
	case err != nil:
	case r.Id != m.Id || !r.Response:
		err = errors.New("the answer is not to what was asked")
	case r.IsTsig() == nil:
		err = fmt.Errorf("the answer (%s) is not signed", dns.RcodeToString[r.Rcode])
	default:
		return r, nil
	}
	u.hangUp()
	return nil, unsure(err)
}

// refusalOf reports whether a server rejects the key, which it says unsigned (RFC 8945
// §5.2), or what else comes unsigned by nature. Somebody on the way could say so too:
// that only delays, and he is believed in nothing else.
func (u *updater) refusalOf(r *dns.Msg) *refusal {
	tsigError := uint16(0)
	if t := r.IsTsig(); t != nil {
		tsigError = t.Error
	}
	switch tsigError {
	case dns.RcodeBadKey: // which is Knot's word for a lack of rights too
		return &refusal{text: "the server does not know the key " + problem.Quote(u.key.name) +
			", or gives it no right to change this name"}
	case dns.RcodeBadSig:
		return &refusal{"the server has another secret or algorithm for the key " + problem.Quote(u.key.name), true}
	case dns.RcodeBadTime:
		return &refusal{"the clocks of this machine and of the server differ by more than five minutes", true}
	}
	switch r.Rcode {
	case dns.RcodeNotAuth, dns.RcodeRefused, dns.RcodeNotImplemented, dns.RcodeFormatError:
		return &refusal{text: "the server answers " + dns.RcodeToString[r.Rcode] + remark(r.Rcode)}
	}
	return nil
}

// keyWorks reports whether the server serves the zone to whoever has the key.
func (u *updater) keyWorks(ctx context.Context, zone string) bool {
	_, err := u.read(ctx, zone)
	return err == nil
}

// read asks the server what stands at a name, a signed question for a signed answer:
// servers with views choose one by the key.
func (u *updater) read(ctx context.Context, name string) (standing, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeTXT)
	m.RecursionDesired = false
	r, err := u.ask(ctx, m)
	switch {
	case err != nil:
		return standing{}, err
	case !r.Authoritative || r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return standing{}, fmt.Errorf("no authoritative answer about %s: %s", name, dns.RcodeToString[r.Rcode])
	}
	var at standing
	for _, rr := range r.Answer {
		if dns.CanonicalName(rr.Header().Name) != name {
			continue
		}
		switch rr := rr.(type) {
		case *dns.TXT:
			strs := make([]string, len(rr.Txt))
			for i, s := range rr.Txt {
				strs[i] = unescape(s)
			}
			at.records = append(at.records, strs)
		case *dns.CNAME:
			at.alias = keyrecord.Canonical(rr.Target)
		}
	}
	return at, nil
}

func (u *updater) dial(ctx context.Context) error {
	if u.conn != nil {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.server)
	if err == nil {
		u.conn = conn
	}
	return err
}

func (u *updater) hangUp() {
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
}

// sleep waits, or fails when the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
