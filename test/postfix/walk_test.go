package postfix

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/maildkim"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const (
	ourDomain = "foxydog.co.kr"
	selector  = "main0622"
	authserv  = "mx.foxydog.co.kr" // Postfix's name, macro j
	outside   = "mail.example.org"
	outsideIP = "192.0.2.10"
	signed    = infoLine + "DKIM-Signature field added (s=main0622, d=foxydog.co.kr)"
	passes    = "pass d=foxydog.co.kr s=main0622 i=@foxydog.co.kr"
)

// walk is the classic set-up on real programs, which the steps below share.
type walk struct {
	*filter
	dns *dnstest.Server
	mta *mta
	far *smtptest.Sink
}

// TestWalk is what a mail administrator does on the day of the change, and what
// the server does from then on. Each step stands on those before it.
func TestWalk(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.Need(t, "postfix", "master", "sendmail", "perl")
	account(t, "opendkim")
	w := &walk{dns: dnstest.New(t, "")}
	w.filter = newFilter(t, w.dns.Addr, "")
	steps := []struct {
		name string
		run  func(*walk, *testing.T)
	}{
		{"genkey", (*walk).makeKey}, {"testkey", (*walk).testKey}, {"start", (*walk).startDaemon}, {"postfix", (*walk).startPostfix},
		{"outgoing", (*walk).outgoing}, {"sendmail", (*walk).sendmailCommand}, {"incoming unsigned", (*walk).incomingUnsigned},
		{"incoming signed", (*walk).incomingSigned}, {"incoming damaged", (*walk).incomingDamaged}, {"our own from outside", (*walk).spoofed},
		{"protocol 2", (*walk).protocol2}, {"one session", (*walk).oneSession}, {"shapes", (*walk).shapes}, {"forged results", (*walk).forgedResults},
		{"reload", (*walk).reloads}, {"reload that fails", (*walk).reloadFails}, {"stop", (*walk).stop},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(w, t) }) {
			return
		}
	}
}

func (w *walk) makeKey(t *testing.T) {
	name := w.genkey(ourDomain, selector)
	for _, file := range []string{".private", ".txt"} {
		info, err := os.Stat(w.path("keys/" + selector + file))
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s%s has mode %v", selector, file, info.Mode())
		}
	}
	write(t, w.path("KeyTable"), fmt.Sprintf("%s %s:%s:%s\n", name, ourDomain, selector, w.path("keys/"+selector+".private")))
	write(t, w.path("SigningTable"), fmt.Sprintf("*@%s %s\n", ourDomain, name))
	w.dns.AddRR(w.zone(ourDomain, selector))
}

func (w *walk) testKey(t *testing.T) {
	out := w.tool(0, "opendkim-testkey", "-x", w.path("opendkim.conf"), "-d", ourDomain, "-s", selector, "-vvv")
	for _, want := range []string{"checking key 'main0622._domainkey.foxydog.co.kr'\n", "key not secure\n", "key OK\n"} {
		if !strings.Contains(out, "opendkim-testkey: "+want) {
			t.Errorf("opendkim-testkey does not say %q:\n%s", want, out)
		}
	}
}

// startDaemon also looks at what a daemon ought to be.
func (w *walk) startDaemon(t *testing.T) {
	began := time.Now()
	w.start()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("starting took %v", took)
	}
	pid := w.pid()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	a := account(t, "opendkim")
	for _, want := range []string{fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", a.uid),
		fmt.Sprintf("Gid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", a.gid),
		fmt.Sprintf("Groups:\t%d \n", a.gid), "Umask:\t0002\n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in the process's status:\n%s", want, status)
		}
	}
	for fd := range 3 {
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); to != os.DevNull {
			t.Errorf("descriptor %d of the daemon is %s", fd, to)
		}
	}
	w.log.wait(t, `^22 OpenDKIM Filter v2\.11\.0 starting \(args: -x `+regexp.QuoteMeta(w.path("opendkim.conf"))+`\)$`)
}

func (w *walk) startPostfix(t *testing.T) {
	w.far = smtptest.NewSink(w.filter.t)
	w.mta = startMTA(w.filter.t, w.dir, "inet:"+w.socket, w.far)
}

func (w *walk) outgoing(t *testing.T) {
	c := dial(t, w.mta.smtp)
	c.Hello()
	id := c.Send("user@foxydog.co.kr", "outgoing@example.com", mail("user@foxydog.co.kr", "outgoing@example.com", "outgoing", "Hello.\r\n"))
	c.Quit()
	w.log.expect(t, id, signed)
	message := w.far.Await(t, "outgoing@example.com")
	expectSigned(t, w.dns.Addr, message, passes)
	if got := smtptest.Fields(message, "Authentication-Results"); len(got) != 0 {
		t.Errorf("a signed message carries %q", got)
	}
	if got := w.mta.queueID(t, "outgoing@example.com"); got != id {
		t.Errorf("Postfix logged %s, SMTP said %s", got, id)
	}
}

func (w *walk) sendmailCommand(t *testing.T) {
	const to = "pickup@example.com"
	w.mta.submit(t, "cron@foxydog.co.kr", to, mail("cron@foxydog.co.kr", to, "sendmail command", "Hello.\r\n"))
	message := w.far.Await(t, to)
	expectSigned(t, w.dns.Addr, message, passes)
	w.log.expect(t, w.mta.queueID(t, to), signed)
}

// unknownClient are the lines about every message from outside.
func unknownClient(more ...string) []string {
	return append([]string{infoLine + outside + " [" + outsideIP + "] not internal", infoLine + "not authenticated"}, more...)
}

func (w *walk) fromOutside(t *testing.T, address string) *smtptest.Client {
	t.Helper()
	c := dialAs(t, address, outside, outsideIP)
	c.Hello()
	return c
}

func (w *walk) incomingUnsigned(t *testing.T) {
	c := w.fromOutside(t, w.mta.smtp)
	id := c.Send("a@example.org", "unsigned@foxydog.co.kr", mail("a@example.org", "unsigned@foxydog.co.kr", "unsigned", "Hello.\r\n"))
	c.Quit()
	w.log.expect(t, id, unknownClient("23 no signature data")...)
	message := w.far.Await(t, "unsigned@foxydog.co.kr")
	for _, name := range []string{"Authentication-Results", "DKIM-Signature"} {
		if got := smtptest.Fields(message, name); len(got) != 0 {
			t.Errorf("the message carries %s: %q", name, got)
		}
	}
}

// outsideKey publishes a key of example.org and has Mail::DKIM sign with it.
func (w *walk) outsideMail(t *testing.T, to, subject string) []byte {
	t.Helper()
	key := w.path("keys/org.private")
	if _, err := os.Stat(key); err != nil {
		w.genkey("example.org", "org")
		w.dns.AddRR(w.zone("example.org", "org"))
	}
	message := mail("a@example.org", to, subject, "Hello,  \r\n\r\nthis is  from outside.\r\n\r\n")
	return maildkim.Sign(t, maildkim.Signing{Message: message, Canonicalization: "relaxed/relaxed",
		Domain: "example.org", Selector: "org", KeyFile: key})[0]
}

const (
	passed = "mx.foxydog.co.kr; dkim=pass (2048-bit key; unprotected) header.d=example.org header.i=@example.org " +
		"header.a=rsa-sha256 header.s=org header.b=%s"
	damaged = `mx.foxydog.co.kr; dkim=fail reason="signature verification failed" (2048-bit key; unprotected) header.d=example.org header.i=@example.org header.a=rsa-sha256 header.s=org header.b=%s`
)

func (w *walk) incomingSigned(t *testing.T) {
	c := w.fromOutside(t, w.mta.smtp)
	id := c.Send("a@example.org", "signed@foxydog.co.kr", w.outsideMail(t, "signed@foxydog.co.kr", "signed"))
	c.Quit()
	w.log.expect(t, id, unknownClient(infoLine+"DKIM verification successful", infoLine+"s=org d=example.org a=rsa-sha256 SSL ")...)
	expectResults(t, w.far.Await(t, "signed@foxydog.co.kr"), passed)
}

func (w *walk) incomingDamaged(t *testing.T) {
	c := w.fromOutside(t, w.mta.smtp)
	message := bytes.Replace(w.outsideMail(t, "damaged@foxydog.co.kr", "damaged"), []byte("from outside"), []byte("from nowhere"), 1)
	id := c.Send("a@example.org", "damaged@foxydog.co.kr", message)
	c.Quit()
	w.log.expect(t, id, unknownClient(infoLine+"s=org d=example.org a=rsa-sha256 SSL ", noticeLine+"bad signature data")...)
	expectResults(t, w.far.Await(t, "damaged@foxydog.co.kr"), damaged)
}

// spoofed is mail from outside that claims to be ours: it must not be signed.
func (w *walk) spoofed(t *testing.T) {
	c := w.fromOutside(t, w.mta.smtp)
	id := c.Send("ceo@foxydog.co.kr", "spoofed@foxydog.co.kr", mail("ceo@foxydog.co.kr", "spoofed@foxydog.co.kr", "pay this", "Now.\r\n"))
	c.Quit()
	w.log.expect(t, id, unknownClient("23 no signature data")...)
	if got := smtptest.Fields(w.far.Await(t, "spoofed@foxydog.co.kr"), "DKIM-Signature"); len(got) != 0 {
		t.Errorf("a stranger's mail was signed: %q", got)
	}
}

// protocol2 is what Virtualmin sets: no leading space, no SKIP, no macro lists.
func (w *walk) protocol2(t *testing.T) {
	c := dial(t, w.mta.smtpV2)
	c.Hello()
	id := c.Send("user@foxydog.co.kr", "v2@example.com", mail("user@foxydog.co.kr", "v2@example.com", "folded\r\n\tsubject", "Hello.\r\n"))
	c.Quit()
	w.log.expect(t, id, signed)
	expectSigned(t, w.dns.Addr, w.far.Await(t, "v2@example.com"), passes)

	c = w.fromOutside(t, w.mta.smtpV2)
	c.Send("a@example.org", "v2@foxydog.co.kr", w.outsideMail(t, "v2@foxydog.co.kr", "signed"))
	c.Quit()
	expectResults(t, w.far.Await(t, "v2@foxydog.co.kr"), passed)
}

// oneSession mixes mail that is signed, verified, given up and ignored on one
// connection: nothing of one message may show in the next.
func (w *walk) oneSession(t *testing.T) {
	c := dial(t, w.mta.smtp)
	c.Hello()
	for i := range 3 {
		to := fmt.Sprintf("session%d@example.com", i)
		id := c.Send("user@foxydog.co.kr", to, mail("user@foxydog.co.kr", to, "of several", fmt.Sprintf("Number %d.\r\n", i)))
		w.log.expect(t, id, signed)
		c.Envelope("gone@example.net", "gone@example.com")
		c.Command(250, "RSET")
		to = fmt.Sprintf("foreign%d@example.com", i)
		id = c.Send("a@example.org", to, mail("a@example.org", to, "not ours", "Hello.\r\n"))
		w.log.expect(t, id, infoLine+"no signing table match for 'a@example.org'", "23 no signature data")
	}
	c.Quit()
	for i := range 3 {
		expectSigned(t, w.dns.Addr, w.far.Await(t, fmt.Sprintf("session%d@example.com", i)), passes)
		if got := smtptest.Fields(w.far.Await(t, fmt.Sprintf("foreign%d@example.com", i)), "DKIM-Signature"); len(got) != 0 {
			t.Errorf("foreign mail was signed: %q", got)
		}
	}
}

// shapes are messages that break careless filters.
func (w *walk) shapes(t *testing.T) {
	big := strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n", 5<<20/72)
	bodies := map[string]string{
		"big":       big,
		"eightbit":  "여우개, 도장 \xff\xfe\x80\r\n",
		"empty":     "",
		"blank":     "\r\n\r\n\r\n",
		"dots":      ".\r\n..\r\n.x\r\n",
		"long":      strings.Repeat("x", 900) + "\r\n",
		"no-crlf-c": "ends \t \r\n \r\n\t\r\n",
	}
	c := dial(t, w.mta.smtp)
	c.Hello()
	for name, body := range bodies {
		c.Send("user@foxydog.co.kr", name+"@example.com", mail("user@foxydog.co.kr", name+"@example.com", "shape "+name, body))
	}
	c.Quit()
	for name, body := range bodies {
		message := w.far.Await(t, name+"@example.com")
		if _, got, _ := bytes.Cut(message, []byte("\r\n\r\n")); string(got) != body {
			t.Errorf("%s: the body changed on its way: %d octets, %d sent", name, len(got), len(body))
		}
		expectSigned(t, w.dns.Addr, message, passes)
	}
}

// forgedResults come with mail from outside, in the forms that filters overlook.
func (w *walk) forgedResults(t *testing.T) {
	forged := []string{
		authserv + "; dkim=pass header.d=bank.example",
		"MX.FoxyDog.co.kr 1; dkim=pass header.d=bank.example",
		`"mx.foxydog.co.kr"; dkim=pass header.d=bank.example`,
		"(hello) mx.foxydog.co.kr; dkim=pass header.d=bank.example",
		"mx.foxydog.co.kr.; dkim=pass header.d=bank.example",
		"mx.foxydog.co.kr; dkim=pass header.d=bank.example; !!!",
		"mx.foxydog.co.kr;\r\n\tdkim=pass header.d=bank.example" + strings.Repeat("\r\n\t(padding padding padding padding)", 200),
	}
	const theirs = "mx.example.org; spf=pass smtp.mailfrom=a@example.org"
	var header strings.Builder
	for _, value := range forged {
		fmt.Fprintf(&header, "Authentication-Results: %s\r\nX-Between: 1\r\n", value)
	}
	fmt.Fprintf(&header, "Authentication-Results: %s\r\n", theirs)
	message := append([]byte(header.String()), mail("a@example.org", "forged@foxydog.co.kr", "forged", "Hello.\r\n")...)
	for version, address := range map[string]string{"6": w.mta.smtp, "2": w.mta.smtpV2} {
		c := w.fromOutside(t, address)
		to := "forged" + version + "@foxydog.co.kr"
		c.Send("a@example.org", to, message)
		c.Quit()
		got := smtptest.Fields(w.far.Await(t, to), "Authentication-Results")
		if len(got) != 1 || got[0] != theirs {
			t.Errorf("fields left: %q, want only %q", got, theirs)
		}
	}
}

func (w *walk) reloads(t *testing.T) {
	to := func(n int) string { return fmt.Sprintf("reload%d@example.com", n) }
	send := func(n int) string {
		c := dial(t, w.mta.smtp)
		c.Hello()
		defer c.Quit()
		return c.Send("user@second.example", to(n), mail("user@second.example", to(n), "second domain", "Hello.\r\n"))
	}
	id := send(1)
	w.log.expect(t, id, infoLine+"no signing table match for 'user@second.example'", "23 no signature data")

	name := w.genkey("second.example", "next")
	w.dns.AddRR(w.zone("second.example", "next"))
	appendTo(t, w.path("KeyTable"), fmt.Sprintf("%s second.example:next:%s\n", name, w.path("keys/next.private")))
	appendTo(t, w.path("SigningTable"), "*@second.example "+name+"\n")
	pid := w.pid()
	w.reload("configuration reloaded from " + w.path("opendkim.conf"))
	if w.pid() != pid {
		t.Errorf("the process is %d, was %d", w.pid(), pid)
	}
	id = send(2)
	w.log.expect(t, id, infoLine+"DKIM-Signature field added (s=next, d=second.example)")
	expectSigned(t, w.dns.Addr, w.far.Await(t, to(2)), "pass d=second.example s=next i=@second.example")
}

// reloadFails: what was in force stays in force.
func (w *walk) reloadFails(t *testing.T) {
	conf, err := os.ReadFile(w.path("opendkim.conf"))
	must(t, err)
	write(t, w.path("opendkim.conf"), string(conf)+"Canonicalisation simple\n")
	w.reload("configuration not reloaded")
	w.log.wait(t, regexp.QuoteMeta(fmt.Sprintf(`%s:%d: unknown option "Canonicalisation"`, w.path("opendkim.conf"), bytes.Count(conf, []byte("\n"))+1)))
	write(t, w.path("opendkim.conf"), string(conf))

	c := dial(t, w.mta.smtp)
	c.Hello()
	id := c.Send("user@foxydog.co.kr", "still@example.com", mail("user@foxydog.co.kr", "still@example.com", "still", "Hello.\r\n"))
	c.Quit()
	w.log.expect(t, id, signed)
}

// stop: TERM ends the filter, and mail goes on without it.
func (w *walk) stop(t *testing.T) {
	pid := w.pid()
	w.signal(syscall.SIGTERM)
	proctest.Until(t, patience, "the end of the filter", func() bool { return syscall.Kill(pid, 0) != nil })
	if _, err := os.Stat(w.pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
	w.log.wait(t, `^22 OpenDKIM Filter v2\.11\.0 terminating with status 0, errno = 0$`)

	c := dial(t, w.mta.smtp)
	c.Hello()
	c.Send("user@foxydog.co.kr", "without@example.com", mail("user@foxydog.co.kr", "without@example.com", "without", "Hello.\r\n"))
	c.Quit()
	if got := smtptest.Fields(w.far.Await(t, "without@example.com"), "DKIM-Signature"); len(got) != 0 {
		t.Errorf("signed after the end: %q", got)
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	must(t, err)
	write(t, path, string(old)+text)
}

var signatureValue = regexp.MustCompile(`\bb=([^;]*)`)

// expectResults wants one Authentication-Results field, on top of all others;
// %s in want stands for the first characters of the signature.
func expectResults(t testing.TB, message []byte, want string) {
	t.Helper()
	for _, signature := range smtptest.Fields(message, "DKIM-Signature") {
		if m := signatureValue.FindStringSubmatch(signature); m != nil {
			want = fmt.Sprintf(want, strings.ReplaceAll(m[1], " ", "")[:8])
		}
	}
	got := smtptest.Fields(message, "Authentication-Results")
	if len(got) != 1 || got[0] != want {
		t.Errorf("Authentication-Results:\n%q\nwant\n%q", got, want)
	}
}
