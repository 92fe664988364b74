// Package authres writes and reads Authentication-Results header fields (RFC 8601), and
// finds those that some reader may take for ours.
package authres

// Results is the content of one field.
type Results struct {
	AuthservID string
	Version    int // 0 when the field names none, which means 1
	Methods    []Method
}

// Method is one method's result: "dkim=pass (comment) reason=... header.d=...".
// A method of a version other than 1 is written "dkim/2".
type Method struct {
	Name    string     // of the method: "dkim", "spf", ... (RFC 8601 §2.7)
	Version int        // 0 when not named
	Result  string     // "pass", "fail", ...
	Reason  string     // reason=, without quotes; "" for none
	Comment string     // what stands in parentheses behind the result; "" for none
	Props   []Property // in their order
}

// Property is "type.name=value", e.g. header.d=example.com.
type Property struct {
	Type, Name, Value string
}
