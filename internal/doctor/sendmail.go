package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/config"
	"dojang/internal/doctor/postfix"
)

// sendmailFile is Sendmail's configuration.
const sendmailFile = "/etc/mail/sendmail.cf"

// sendmail looks at the filters in a sendmail.cf: at what can be read of them there.
// It reports whether there is such a file.
func (r *Report) sendmail(ctx context.Context, h *host, path string) bool {
	const check = "sendmail"
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	filters, inUse := map[string]string{}, []string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if rest, ok := strings.CutPrefix(line, "X"); ok {
			name, equates, _ := strings.Cut(rest, ",")
			filters[strings.TrimSpace(name)] = equates
		}
		if rest, ok := strings.CutPrefix(line, "O InputMailFilters="); ok {
			inUse = strings.FieldsFunc(rest, func(c rune) bool { return c == ',' || c == ' ' })
		}
	}
	p := r.postfixCheck(ctx, h, &postfix.Setup{Main: map[string]string{}})
	const rebuild = "put INPUT_MAIL_FILTER into sendmail.mc, and make -C /etc/mail"
	for name, equates := range filters {
		for equate := range strings.SplitSeq(equates, ",") {
			address, ok := strings.CutPrefix(strings.TrimSpace(equate), "S=")
			if !ok || p.reaches(sendmailSocket(address), false) != here {
				continue
			}
			if !slices.Contains(inUse, name) {
				r.Add(Finding{Check: check, Code: "milter-missing", Status: Bad, Advice: rebuild},
					"%s defines the filter %s and InputMailFilters does not name it", path, name)
				return true
			}
			r.good(check, "%s hands mail to the filter: %s", path, name)
			if strings.Contains(equates, "F=R") {
				r.Add(Finding{Check: check, Code: "default-action", Status: Warning, Advice: "F=T lets mail wait instead"},
					"%s: F=R refuses mail while the filter is down", name)
			}
			return true
		}
	}
	listening := "none is set"
	if len(p.sockets) > 0 {
		listening = p.sockets[0].Address
	}
	r.Add(Finding{Check: check, Code: "milter-missing", Status: Bad, Advice: rebuild},
		"%s names no filter on the filter's socket (%s)", path, listening)
	return true
}

// sendmailSocket reads inet:PORT@HOST, inet6:PORT@HOST, local:PATH or a bare path.
func sendmailSocket(text string) postfix.Endpoint {
	s, err := config.ParseSocket(text)
	if err != nil {
		return postfix.Endpoint{}
	}
	if s.Network == "unix" {
		return postfix.Endpoint{Kind: "unix", Path: s.Address}
	}
	i := strings.LastIndexByte(s.Address, ':')
	port, _ := strconv.Atoi(s.Address[i+1:])
	return postfix.Endpoint{Kind: "inet", Host: strings.Trim(s.Address[:i], "[]"), Port: fmt.Sprint(port)}
}
