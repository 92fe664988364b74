package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os/exec"
	"strings"
	"time"

	"dojang/header"
)

// send hands a message to the MTA.
func (q *Queue) send(ctx context.Context, to string, message []byte) error {
	if q.o.SMTPServer != "" {
		return q.sendSMTP(ctx, to, message)
	}
	return q.runCommand(ctx, message)
}

// sender is the envelope sender of reports.
func (q *Queue) sender() string {
	local, domain, err := header.Address([]byte(q.o.From))
	if err != nil || domain == "" {
		return ""
	}
	return local + "@" + domain
}

// runCommand calls MTACommand as sendmail(8).
func (q *Queue) runCommand(ctx context.Context, message []byte) error {
	cmd := exec.CommandContext(ctx, q.o.MTACommand, "-t", "-f"+q.sender())
	cmd.Stdin = bytes.NewReader(message)
	cmd.WaitDelay = time.Second
	var said limitedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			return fmt.Errorf("%s: %w: %q", q.o.MTACommand, err, text)
		}
		return fmt.Errorf("%s: %w", q.o.MTACommand, err)
	}
	return nil
}

// limitedBuffer keeps the beginning of what a program says.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, maxCommandTextBytes-b.Len()))])
	return len(p), nil
}

// sendSMTP delivers to SMTPServer, whose answers decide.
func (q *Queue) sendSMTP(ctx context.Context, to string, message []byte) (err error) {
	host, _, err := net.SplitHostPort(q.o.SMTPServer)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", q.o.SMTPServer)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := c.Hello(q.o.HostName); err != nil {
		return err
	}
	if err := c.Mail(q.sender()); err != nil {
		return err
	}
	for _, recipient := range append([]string{to}, q.copies()...) {
		if err := c.Rcpt(recipient); err != nil {
			return fmt.Errorf("%s: %w", recipient, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write(withoutBcc(message))
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return c.Quit()
}

// copies are the addresses of ReportBccAddress.
func (q *Queue) copies() []string {
	var list []string
	mailboxes, _ := header.Addresses([]byte(q.o.Bcc)) // checked at start
	for _, m := range mailboxes {
		list = append(list, m.Local+"@"+m.Domain)
	}
	return list
}

// withoutBcc takes the field out that sendmail -t would have taken out.
func withoutBcc(message []byte) []byte {
	start := bytes.Index(message, []byte("\nBcc: "))
	head := bytes.Index(message, []byte("\n\n"))
	if start < 0 || start > head {
		return message
	}
	end := start + 1 + bytes.IndexByte(message[start+1:], '\n')
	return append(append([]byte(nil), message[:start]...), message[end:]...)
}
