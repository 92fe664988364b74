package event

import (
	"fmt"
	"log/slog"
)

// What keys, tables and DNS are read from.

// KeyUnsafe: others than the filter's user may read or change a key's file.
func KeyUnsafe(name, words, remedy string) Event {
	return warning("key_unsafe", fmt.Sprintf("%s: key data is not secure: %s", name, words),
		slog.String("key", name), slog.String("why", words), slog.String("remedy", remedy))
}

// DatasetDown: a data set's server does not answer.
func DatasetDown(name string, err error) Event {
	return failure("dataset_down", fmt.Sprintf("%s: no answer: %s; rows known before are used meanwhile", name, err),
		slog.String("dataset", name), because(err))
}

// DatasetUp: it answers again.
func DatasetUp(name string) Event {
	return info("dataset_up", name+": answers again", slog.String("dataset", name))
}

// DatasetRead: a data set's file changed, and was read again.
func DatasetRead(path string) Event {
	return info("dataset_read", path+" was read again", slog.String("path", path))
}

// DatasetUnreadable: a data set's file changed, and cannot be read.
func DatasetUnreadable(path string, err error) Event {
	return failure("dataset_unreadable", fmt.Sprintf("%s changed and cannot be read: %s; the rows read before stay", path, err),
		slog.String("path", path), because(err))
}

// Resolver: what is amiss with the name servers, or with DNSSEC's trust anchor.
func Resolver(text string) Event { return warning("resolver", text) }
