package report

import (
	"context"
	"fmt"
	"os"
	"strings"

	"dojang/internal/event"
	"dojang/internal/policy"
)

// statisticsVersion begins a file. Compat(opendkim 2.11): the third form.
const statisticsVersion = "V3\n"

// Record appends what is told of a message to the Statistics file. The file is
// opened each time, so that it may be moved away.
func (q *Queue) Record(s *policy.Statistics) {
	ok := q.files.add(func(context.Context) {
		if err := appendStatistics(q.o.StatisticsFile, statisticsLines(s, q.o.StatisticsName)); err != nil {
			q.tell(s.JobID, event.FileFailed(err))
		}
	})
	if !ok {
		q.tell(s.JobID, event.FileFailed(errFull))
	}
}

func appendStatistics(path, lines string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		lines = statisticsVersion + lines
	}
	_, err = f.WriteString(lines) // one write: others may append to the same file
	return err
}

// statisticsLines are an M line for the message, an S line for each signature
// and an X line for each figure of a script, fields separated by tabs.
func statisticsLines(s *policy.Statistics, reporter string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", oneLine(s.JobID), oneLine(reporter), oneLine(s.Domain), s.Client, s.Received.Unix(), s.BodyBytes, s.Signatures, s.ATPS, s.Spam)
	for _, g := range s.Each {
		fmt.Fprintf(&b, "S%s\t%d\t%d\t%d\t%d\t%d\n", oneLine(g.Domain), flag(g.Passed), flag(g.BodyChanged), g.Length, g.Error, g.DNSSEC)
	}
	for _, x := range s.Extra {
		fmt.Fprintf(&b, "X%s\t%s\n", oneLine(x.Name), oneLine(x.Value))
	}
	return b.String()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
