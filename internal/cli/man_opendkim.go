package cli

import (
	"fmt"
	"strings"

	"dojang/internal/config"
)

// OpendkimPage is opendkim(8): its flags come from the same table as the parser's.
func OpendkimPage() string {
	var b strings.Builder
	b.WriteString(`.TH opendkim 8 "" "dojang" "Mail filters"
.SH NAME
opendkim \- sign and verify mail (DKIM) as a milter
.SH SYNOPSIS
.B opendkim
[\fIflags\fR]
.SH DESCRIPTION
A mail filter that signs outgoing mail and verifies the signatures of incoming
mail by DKIM (RFC 6376), for Postfix and Sendmail. This program is dojang; called
.B opendkim
it takes OpenDKIM's flags, configuration, tables and signals.
.PP
A message is signed when its author's domain is ours, by SigningTable or Domain,
and it comes from where our mail comes from: the client authenticated, or is in
InternalHosts, or the MTA's daemon is named in MTA, or a macro of MacroList is
set. Any other message is verified. LogWhy tells how it came to a decision.
.PP
Without \-x the configuration file is
.B /etc/opendkim.conf
when there is one. Flags count before the file until a reload.
.SH FLAGS
`)
	for _, flag := range config.Flags() {
		name := `\-` + flag.Letter
		if flag.TakesValue {
			name += ` \fI` + flag.Argument + `\fR`
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s", name, roff(strings.ToUpper(flag.Doc[:1])+flag.Doc[1:]+"."))
		if flag.Option != "" {
			fmt.Fprintf(&b, " Option %s.", flag.Option)
		}
		b.WriteString("\n")
	}
	b.WriteString(`.SH SIGNALS
USR1 and HUP reload: the configuration, tables and keys are read anew, checked, and
put in force at once; when anything is wrong with them the old ones stay, and the
log says why. Messages in hand finish with what they began with. TERM and INT stop
the filter after the messages in hand.
.PP
A reload does not change: `)
	var fixed []string
	for _, o := range config.Options() {
		if o.NeedsRestart && o.Status == config.Active {
			fixed = append(fixed, o.Name)
		}
	}
	b.WriteString(strings.Join(fixed, ", ") + ".\n")
	b.WriteString(`.SH DATA SETS
Options that take a data set name where its rows are:
.TP
.B csl:a,b=c
or the bare list: its elements, each with a value behind an equals sign.
.TP
.B file:/path
or a bare path: a line a row, the key, blanks, the value; columns separated by colons.
.TP
.B refile:/path
the same with patterns for keys, in which * stands for any text; the first that
matches counts.
.TP
.B db:, mdb:, dsn:, ldap:, memcache:, redis:, socket:, http:, lua:
databases and programs.
.SH EXIT STATUS
Those of sysexits: 0 for success, 64 for wrong flags, 69 when a socket cannot be had,
78 for a wrong configuration.
.SH SEE ALSO
.BR opendkim.conf (5),
.BR opendkim-genkey (8),
.BR opendkim-testkey (8),
.BR dojang (1)
`)
	return b.String()
}

// roff makes text safe at the start of a line and against escapes.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
