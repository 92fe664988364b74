package problem

import (
	"strings"
	"testing"
)

// Each form of an address with each kind of secret: no part of it is shown, and the
// server is.
func TestRedactHidesEverySecret(t *testing.T) {
	secrets := []string{"swordfish", "sword@fish", "sword:fish", "s@w:o@rd", "sword/fish", "sword?fish", "sword#fish", "=40sword", "%40sword", "sword+fish", "swörd", "sw,ord", "p@s?w", `s"w'd`, "@", "12345",
		"sword fish", "sword;fish", "sword&fish", "sword://fish", "sword?x=fish", "sword/x?a=fish", "sword[fish", "12/sword"}
	for _, form := range []string{
		"dsn:mysql://user:PW@3306+db.example/base/table=t?keycol=k?datacol=d", "dsn:pgsql://user@tenant:PW@db.example/base/table=t?keycol=k?datacol=d", "dsn:mysql://:PW@db.example/x/table=t",
		"redis://:PW@db.example:6379/0?prefix=p", "redis://user:PW@db.example", "rediss://user:PW@db.example:6380/1", "redis+sentinel://user:PW@db.example,two.example/master/0",
		"redis+cluster://user:PW@db.example,two.example", "redis://PW@db.example", "http://user:PW@db.example/{key}", "https://user@tenant:PW@db.example/x?k={key}", "https://PW@db.example/{key}",
		"smtp://user:PW@db.example:25", "ldap://user:PW@db.example/dc=x", "data set dsn:mysql://user:PW@db.example/base: no answer", "http://a:b@one.example/,http://user:PW@db.example/",
		"dsn:mysql:/user:PW@db.example/base", "dsn:mysql:user:PW@db.example/base", "redis:user:PW@db.example", "DSN: mysql://user:PW@db.example/base", "odd://user:PW@db.example",
	} {
		for _, secret := range secrets {
			if strings.Contains(form, "/PW@") && strings.ContainsAny(secret, ":=") ||
				!strings.Contains(form, "://") && strings.Contains(secret, "://") {
				continue // is no token, but a user and a password, or a path; is an address
			}
			got := Redact(strings.Replace(form, "PW", secret, 1))
			if plain := Redact(strings.Replace(form, "PW", "x", 1)); got != plain && !strings.Contains(secret, ",") {
				t.Errorf("%s with %s: %s, and with another secret %s", form, secret, got, plain)
			}
			if rest := strings.ReplaceAll(got, Redacted, ""); secret != "@" && strings.Contains(rest, secret) ||
				!strings.Contains(got, "db.example") {
				t.Errorf("%s with %s: %s", form, secret, got)
			}
		}
	}
	// What is cut off behind the password, as "#" does in a configuration, or has no host.
	for _, cut := range []string{"dsn:mysql://user:swordfish", "redis://:swordfish", "http://user:swordfish",
		"ldap://user:swordfish/dc=x", "redis://user:sword,fish",
		"dsn:pgsql:host=h password=troutfish dbname=x", "dsn:pgsql://host=h password='trout@fish' dbname=x", "dsn:odbc://x/table=t;pwd=swordfish", "dsn:pgsql://h/base/password=trout@fish?table=t",
		"ldap://h/dc=x?a?sub?(mail=$d)?bindname=cn=x,x-bindpw=swordfish", "https://h/{key}?token=sword,fish", "https://h/{key}?token=sword fish", "https://h/{key}?token=sword{key}fish",
	} {
		if got := Redact(cut); strings.Contains(strings.ReplaceAll(got, "password", ""), "sword") ||
			strings.Contains(got, "trout") || strings.Contains(got, "fish") {
			t.Errorf("%s: %s", cut, got)
		}
	}
	for _, parameter := range []string{"password", "auth_token", "apikey", "api-key", "X-Secret", "access_token", "pwd"} {
		if got := Redact("https://db.example/x?" + parameter + "=swordfish&k={key}"); strings.Contains(got, "swordfish") ||
			!strings.Contains(got, "k={key}") {
			t.Errorf("%s: %s", parameter, got)
		}
	}
	if got := Redact("erlang:node@host:cookie:fun"); strings.Contains(got, "cookie") {
		t.Error(got)
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for _, text := range []string{
		"", "refile:/etc/opendkim/KeyTable", "dsn:pgsql://u@h/d", "ldap://h:389/?a?sub?(mail=$d@x)", "http://h/?mail={key}@x", "https://h/x?apikey={key}", "csl:a@b,c", "mail@example.com",
		"dsn:mysql://db/x/table=keys?keycol=k?datacol=d", "socket:8891@localhost", "memcache:h/p",
		"ldap://h1:389/ ldap://h2:389", "redis+sentinel://h1:26379,h2:26379/master", "redis://[::1]:6379/0?prefix=a@b", "http://[::1]:80/?mail={key}@x", "local:/run/x@y", "dsn:mysql://3306+db/x/table=k",
	} {
		if got := Redact(text); got != text {
			t.Errorf("%s: %s", text, got)
		}
	}
}
