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
	"syscall"
	"time"
)

// Mailer is a way to a mail server.
type Mailer struct {
	// Command is the program that sends mail: it is called with -t and -f, and finds the
	// recipients in the message. When SMTPServer, a host and port, is set, mail goes there
	// instead, and to Command, if that is set as well, when nobody listens there.
	Command, SMTPServer string
	// HostName is what SMTP's EHLO says.
	HostName string
}

// maxSaidBytes of what Command says are told.
const maxSaidBytes = 512

// Send hands over a message, lines ended by LF, whose header names the recipients too.
// From is the envelope sender, "" for none.
func (m Mailer) Send(ctx context.Context, from string, to []string, message []byte) error {
	if m.SMTPServer != "" {
		err := m.sendSMTP(ctx, from, to, message)
		if m.Command == "" || !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
	}
	return m.runCommand(ctx, from, message)
}

func (m Mailer) runCommand(ctx context.Context, from string, message []byte) error {
	cmd := exec.CommandContext(ctx, m.Command, "-t", "-f"+from)
	cmd.Stdin = bytes.NewReader(message)
	// Postfix's sendmail has a child that waits for ever where it may not write.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said limitedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(said.kept.String()); text != "" {
			return fmt.Errorf("%s: %w: %q", m.Command, err, text)
		}
		return fmt.Errorf("%s: %w", m.Command, err)
	}
	return nil
}

// limitedBuffer keeps the beginning of what a program says. The Buffer is not embedded:
// its ReadFrom would take all there is.
type limitedBuffer struct{ kept bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), max(0, maxSaidBytes-b.kept.Len()))])
	return len(p), nil
}

// sendSMTP delivers to SMTPServer, whose answers decide.
func (m Mailer) sendSMTP(ctx context.Context, from string, to []string, message []byte) error {
	host, _, err := net.SplitHostPort(m.SMTPServer)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.SMTPServer)
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
	if err := c.Hello(m.HostName); err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, recipient := range to {
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
