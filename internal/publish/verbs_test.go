package publish

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a script's answers and exit statuses mean.
func TestScripts(t *testing.T) {
	look := func(_ context.Context, name string) ([]string, error) { return []string{"v=DKIM1; p=old"}, nil }
	replace := Replace(testName, "v=DKIM1; p=", time.Hour, []string{"v=DKIM1; ", "p=old"})
	for what, test := range map[string]struct {
		script string
		change Change
		want   State
	}{
		"none there":       {`[ $DOJANG_DO = get ] || [ "$DOJANG_TEXT" ] || [ $DOJANG_DO = commit ]`, Present(testName, long, time.Hour), Done},
		"there already":    {`[ $DOJANG_DO = get ] || exit 1; printf '%s\n' "` + strings.ReplaceAll(`"`+long[:99]+`" "`+long[99:]+`"`, `"`, `\"`) + `"`, Present(testName, long, time.Hour), Done},
		"another's":        {`[ $DOJANG_DO = get ] || exit 1; echo '"another"'`, Present(testName, long, time.Hour), Conflict},
		"an alias":         {`[ $DOJANG_DO = get ] || exit 1; echo 'CNAME x.example.'`, Present(testName, long, time.Hour), Conflict},
		"cannot tell":      {`[ $DOJANG_DO != get ] || exit 64; [ $DOJANG_DO = commit ] || [ "$DOJANG_OLD_TEXT" = "v=DKIM1; p=old" ]`, replace, Done},
		"of its own":       {`[ $DOJANG_DO != get ] || { printf '60\t"v=DKIM1; p=old"\n'; exit; }; [ $DOJANG_DO = commit ] || [ "${DOJANG_OLD%%	*}" = 60 ]`, replace, Done},
		"refuses to tell":  {`exit 1`, replace, Refused},
		"tells nonsense":   {`echo '"open'`, replace, Retry},
		"refuses":          {`[ $DOJANG_DO = get ]`, Present(testName, long, time.Hour), Refused},
		"later":            {`[ $DOJANG_DO = get ] || exit 75`, Present(testName, long, time.Hour), Retry},
		"commit refused":   {`[ $DOJANG_DO != commit ] || exit 2`, Present(testName, long, time.Hour), Refused},
		"commit later":     {`[ $DOJANG_DO != commit ] || exit 75`, Present(testName, long, time.Hour), Retry},
		"nothing was done": {`[ $DOJANG_DO = get ] || exit 1`, Absent(testName, []string{"x"}), Done},
	} {
		path := filepath.Join(t.TempDir(), "hook")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+test.script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		request, err := json.Marshal(hookRequest{Version: 1, Request: "apply", Zone: "example.com", Changes: []Change{test.change}})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := (Script{Program: path, Look: look}).Serve(t.Context(), strings.NewReader(string(request)), &out); err != nil {
			t.Fatal(err)
		}
		answer, err := parseHookAnswer([]byte(out.String()))
		if err != nil || len(answer.Results) != 1 || answer.Results[0].State != test.want {
			t.Errorf("%s: %s, %v; want %s", what, &out, err, test.want)
		}
	}
}
