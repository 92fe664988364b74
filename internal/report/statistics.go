package report

import (
	"context"

	"dojang/internal/event"
	"dojang/internal/statistics"
)

// Record appends what is told of a message to the Statistics file. The file is
// opened each time, so that it may be moved away.
func (q *Queue) Record(s *statistics.Message) {
	ok := q.files.add(func(context.Context) {
		if err := statistics.Append(q.o.StatisticsFile, q.o.StatisticsName, s); err != nil {
			q.tell(s.JobID, event.FileFailed(err))
		}
	})
	if !ok {
		q.tell(s.JobID, event.FileFailed(errFull))
	}
}
