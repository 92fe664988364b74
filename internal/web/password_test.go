package web

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestPassword(t *testing.T) {
	line, err := HashPassword("correct horse")
	if err != nil || CheckHash(line) != nil || strings.Contains(line, "horse") {
		t.Fatalf("%q %v", line, err)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct hors": false, "": false, "Correct horse": false} {
		if passwordFits(line, password) != want {
			t.Errorf("%q", password)
		}
	}
	for _, bad := range []string{"", "x", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=4294967295,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$" + strings.Repeat("A", 43), line + "x", line[:len(line)-4]} {
		if CheckHash(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	o := newWorld(t).options()
	o.Password = line
	c := serve(t, o)
	if r := c.do(http.MethodPost, "/login", "password=correct+horse", form1); r.code != http.StatusSeeOther ||
		r.header.Get("Set-Cookie") == "" {
		t.Errorf("%d", r.code)
	}
	if r := c.do(http.MethodPost, "/login", "password=wrong", form1); r.code != http.StatusForbidden || r.header.Get("Set-Cookie") != "" {
		t.Errorf("%d", r.code)
	}
}

// TestPasswordCannotBeGuessed: once a program has given the password it is known without
// its cost, and nobody can try others against that, by header or as a cookie.
func TestPasswordCannotBeGuessed(t *testing.T) {
	line, err := HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	o := w.options()
	o.Password = line
	now := time.Now()
	o.Now = func() time.Time { return now }
	c := serve(t, o)
	with := func(password string) int {
		basic := base64.StdEncoding.EncodeToString([]byte("prometheus:" + password))
		return c.get("/api/v1/keys", map[string]string{"Authorization": "Basic " + basic}).code
	}
	for range 2 * int(loginMinute.most) {
		if code := with("correct horse"); code == http.StatusUnauthorized {
			t.Fatalf("the password is not taken: %d", code)
		}
	}
	for _, cookie := range []string{"basic correct horse", "127.0.0.1 correct horse", "correct horse"} {
		if r := c.get("/api/v1/keys", map[string]string{"Cookie": cookieName + "=" + cookie}); r.code != http.StatusUnauthorized {
			t.Errorf("the cookie %q: %d", cookie, r.code)
		}
	}
	const looked = 2 // each takes its time
	for range int(loginMinute.most) - looked {
		c.server.limits.take("l 127.0.0.1", loginMinute)
	}
	for i := range looked {
		if code := with("wrong" + strconv.Itoa(i)); code != http.StatusUnauthorized {
			t.Fatalf("a wrong password: %d", code)
		}
	}
	if code := with("correct horse"); code != http.StatusUnauthorized {
		t.Errorf("after %g guesses a minute the next one is looked at: %d", loginMinute.most, code)
	}
	now = now.Add(time.Minute)
	if code := with("correct horse"); code == http.StatusUnauthorized {
		t.Errorf("a minute later: %d", code)
	}
}
