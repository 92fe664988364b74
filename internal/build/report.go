package build

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"dojang/header"
	"dojang/internal/config"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/internal/privilege"
	"dojang/internal/problem"
	"dojang/internal/report"
	"dojang/internal/resolver"
)

// reports reads the options about what is told beside the result.
func (b *builder) reports() policy.Reports {
	c := b.config
	return policy.Reports{
		Send:                 c.SendReports.Value,
		Diagnose:             c.DiagnosticDirectory.Value != "",
		AddCanonicalizedData: c.AddCanonicalizedData.Value,
		Count:                c.Statistics.Value != "",
	}
}

// reporter makes what sends and writes; nil when nothing is wanted.
func (b *builder) reporter(wanted policy.Reports, r resolver.Resolver) message.Reporter {
	if !wanted.Send && !wanted.Diagnose && !wanted.Count {
		return nil
	}
	c := b.config
	host := hostName()
	o := report.Options{
		Resolver:            r,
		Log:                 b.parts.Log,
		Software:            "dojang-Filter/" + b.parts.Version,
		From:                cmp.Or(c.ReportAddress.Value, userName(b.parts.Account.UID)+"@"+host), // Compat(opendkim 2.11)
		Bcc:                 c.ReportBccAddress.Value,
		DiagnosticDirectory: c.DiagnosticDirectory.Value,
		StatisticsFile:      c.Statistics.Value,
		StatisticsName:      cmp.Or(c.StatisticsName.Value, host),
	}
	if wanted.Send {
		b.delivery(&o)
	}
	if wanted.Diagnose {
		b.wantFolder(&b.config.DiagnosticDirectory, o.DiagnosticDirectory)
	}
	queue := report.New(o)
	b.closers = append(b.closers, queue.Close)
	return queue
}

// delivery sets how reports leave, and checks the addresses on them.
func (b *builder) delivery(o *report.Options) {
	for _, x := range []struct {
		option config.Field
		list   string
	}{{&b.config.ReportAddress, o.From}, {&b.config.ReportBccAddress, o.Bcc}} {
		list := x.list
		if list == "" {
			continue
		}
		if mailboxes, err := header.Addresses([]byte(list)); err != nil || len(mailboxes) == 0 || mailboxes[0].Domain == "" {
			b.warn(x.option, "write name@domain, or Words <name@domain>", "%.64q is no address", list)
		}
	}
	var err error
	if o.Mailer, err = Mailer(b.config); err != nil {
		b.refuse(&b.config.SMTPURI, "write smtp://host or smtp://host:port", "%s", err)
	}
	if command := o.Mailer.Command; command != "" {
		if info, err := os.Stat(command); err != nil || info.Mode()&0o111 == 0 {
			b.warn(&b.config.MTACommand, "name a program that takes mail as sendmail -t does, or set SMTPURI smtp://localhost",
				"%s: not a program; reports will not be sent", command)
		}
	}
}

// Mailer is how mail of our own leaves: by SMTPURI, or else by MTACommand.
func Mailer(c *config.Config) (report.Mailer, error) {
	m := report.Mailer{HostName: hostName()}
	uri := c.SMTPURI.Value
	if uri == "" {
		m.Command = c.MTACommand.Value
		if privilege.NoNew() && filepath.Base(m.Command) == "sendmail" {
			// Postfix's and Sendmail's live by their set-group-ID, Exim's by its
			// set-user-ID. One that needs neither has no server beside it, and is run.
			m.SMTPServer = "localhost:25"
		}
		return m, nil
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "smtp" || u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return m, fmt.Errorf("%s is no address of a mail server", problem.Quote(problem.Redact(uri)))
	}
	m.SMTPServer = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "25"))
	return m, nil
}

func hostName() string {
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "localhost"
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func (b *builder) vbr() policy.VBR {
	c := b.config
	v := policy.VBR{
		Type:                  c.VBRType.Value,
		Certifiers:            strings.ReplaceAll(c.VBRCertifiers.Value, ",", ":"),
		PurgeFields:           c.VBRPurgeFields.Value,
		TrustedCertifiersOnly: c.VBRTrustedCertifiersOnly.Value,
	}
	if text := c.VBRTrustedCertifiers.Value; strings.Contains(text, "file:") || strings.HasPrefix(text, "csl:") ||
		strings.HasPrefix(text, "/") {
		v.TrustedCertifiers = b.names(&b.config.VBRTrustedCertifiers) // Compat(opendkim 2.11): a data set
	} else {
		v.TrustedCertifiers = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ':' || r == ' ' })
	}
	return v
}
