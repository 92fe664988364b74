package report

import (
	"context"

	"dojang/header"
)

// send hands a message to the MTA.
func (q *Queue) send(ctx context.Context, to string, message []byte) error {
	return q.o.Mailer.Send(ctx, q.sender(), append([]string{to}, q.copies()...), message)
}

// sender is the envelope sender of reports.
func (q *Queue) sender() string {
	local, domain, err := header.Address([]byte(q.o.From))
	if err != nil || domain == "" {
		return ""
	}
	return local + "@" + domain
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
