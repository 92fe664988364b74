package exit

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"dojang/internal/problem"
)

// The numbers are sysexits.h's, on which scripts rely.
func TestStatus(t *testing.T) {
	wrapped := Errorf(NoInput, "m.eml: %w", fs.ErrNotExist)
	for _, c := range []struct {
		err    error
		status int
		named  bool
		said   string // what is still to be printed
	}{
		{nil, 0, false, ""},
		{errors.New("x"), 70, false, "x"},
		{wrapped, 66, true, "m.eml: file does not exist"},
		{fmt.Errorf("again: %w", wrapped), 66, true, "again: m.eml: file does not exist"},
		{With(TempFail, errors.New("later")), 75, true, "later"},
		{Silent(Unavailable), 69, true, ""},
		{fmt.Errorf("x: %w", Silent(DataErr)), 65, true, ""},
		{Problems(problem.List{{Text: "old", Severity: problem.Warning}, {Text: "bad", Severity: problem.Error}, {Text: "worse", Severity: problem.Error}}), 78, true, "bad"},
		{Problems(nil), 78, true, "the configuration cannot be used"},
	} {
		said := ""
		if err := Unspoken(c.err); err != nil {
			said = err.Error()
		}
		if Status(c.err) != c.status || Named(c.err) != c.named || said != c.said {
			t.Errorf("%v: %d, %v, %q", c.err, Status(c.err), Named(c.err), said)
		}
	}
	if !errors.Is(wrapped, fs.ErrNotExist) {
		t.Error("what is wrapped cannot be found")
	}
	for status, want := range map[int]int{
		Usage: 64, NoUser: 67, Software: 70, OSErr: 71, CantCreate: 73, IOErr: 74, Protocol: 76, NoPerm: 77, Config: 78,
	} {
		if status != want {
			t.Errorf("%d, not %d", status, want)
		}
	}
}
