package pages

import "testing"

// TestNames: a Host name is one that a browser can send; whatever else stands there is
// refused, and not served at an address that nobody can open.
func TestNames(t *testing.T) {
	for name, right := range map[string]bool{
		"mail.example.com": true, "mail.example.com.": true, "mail.example.com:8443": true, "MAIL": true, "메일.example.com": true,
		"192.0.2.1": true, "2001:db8::1": true, "[2001:db8::1]:443": true, "192.0.2.1:80": true,
		"": false, "a b": false, "https://mail.example.com": false, "mail.example.com/": false, "mail.example.com:": false,
		"mail.example.com:99999": false, "*.example.com": false, "mail..example.com": false, "a,b": false, "user@example.com": false,
	} {
		o := Options{Listen: DefaultAddress, Names: []string{name}}
		a, err := o.where()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.check(a); (err == nil) != right {
			t.Errorf("--name %q: %v", name, err)
		}
	}
	for header, right := range map[string]bool{"X-Remote-User": true, "Remote_User": true, "X User": false, "X:": false, "사용자": false} {
		o := Options{Listen: "unix:/run/x", UserHeader: header}
		a, _ := o.where()
		if err := o.check(a); (err == nil) != right {
			t.Errorf("--user-header %q: %v", header, err)
		}
	}
}
