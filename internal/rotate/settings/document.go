package settings

import (
	"fmt"
	"io"

	"dojang/internal/config"
)

// WriteMan writes rotate.conf(5) from the table.
func WriteMan(w io.Writer) error {
	_, err := fmt.Fprintf(w, `.\" Made from the table of options in internal/rotate/settings by "go generate".
.TH rotate.conf 5 "" "dojang" "File Formats"
.SH NAME
rotate.conf \- how dojang publishes and rotates DKIM keys
.SH SYNOPSIS
.I /etc/dojang/rotate.conf
.SH DESCRIPTION
.BR "dojang publish" ,
.B dojang keys
and
.B dojang rotate
read this file each time they are run.
It is written as
.BR opendkim.conf (5):
a line is the name of an option, in any case, white space, and its value.
A hash sign starts a comment wherever it stands; nothing quotes it, and nothing continues a line.
.B Include
reads another file.
.PP
Times are whole seconds, or a number with s, m, h, d or w behind it.
.B dojang config check
tells everything that is wrong, with line and remedy.
.SH OPTIONS
%s.SH EXAMPLE
.nf
Publisher  bind  rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key
Publisher  hand  manual format=single\-line mail=hostmaster@example.com
Zone  example.com          bind
Zone  *.customers.example  hand
Zone  *                    cname=dkim.host.example ring=k1,k2,k3 publisher=bind
.fi
.SH SEE ALSO
.BR dojang (1),
.BR opendkim.conf (5),
RFC 2136, RFC 6376
`, config.ManSection(Options()))
	return err
}
