package report

import (
	"context"
	"path/filepath"

	"dojang/internal/atomicfile"
	"dojang/internal/event"
	"dojang/internal/policy"
)

// Diagnose writes a file into DiagnosticDirectory, under the job's name.
// Compat(opendkim 2.11): a file of the same name is written anew; a link that somebody
// put there is not followed.
func (q *Queue) Diagnose(d *policy.Diagnosis) {
	ok := q.files.add(func(context.Context) {
		if !q.diagnosed.allow("", q.o.Now()) {
			return
		}
		path := filepath.Join(q.o.DiagnosticDirectory, fileName(d.JobID))
		if err := atomicfile.Write(path, d.Text, atomicfile.Options{Mode: 0o644}); err != nil {
			q.tell(d.JobID, event.FileFailed(err))
		}
	})
	if !ok {
		q.tell(d.JobID, event.FileFailed(errFull))
	}
}

// fileName makes a file's name of a job's, which comes from outside.
func fileName(job string) string {
	name := atom(job)
	if name == "" || name[0] == '.' {
		name = "_" + name
	}
	return name
}
