package authres

import "strings"

// Parse reads a field's value, folded or not. Methods, results and property
// types are given in lower case, as they compare so; values as they are, without
// quotes. Errors wrap ErrSyntax. The strings do not refer to value.
//
// RFC 8601 §2.2; octets of UTF-8 are letters (RFC 8616).
func Parse(value []byte) (Results, error) {
	l := &lexer{in: value}
	var r Results
	if _, err := l.cfws(); err != nil {
		return r, err
	}
	var err error
	if r.AuthservID, err = l.authservID(); err != nil {
		return r, err
	}
	space, err := l.cfws()
	if err != nil {
		return r, err
	}
	if space && l.peek() >= '0' && l.peek() <= '9' {
		n, ok := l.number()
		if !ok || n == 0 {
			return r, l.fail("version number")
		}
		r.Version = n
		if _, err := l.cfws(); err != nil {
			return r, err
		}
	}
	if l.end() {
		return r, l.fail("no result")
	}
	for !l.end() {
		if !l.accept(';') {
			return r, l.fail("a semicolon is wanted")
		}
		if _, err := l.cfws(); err != nil {
			return r, err
		}
		if l.end() && len(r.Methods) > 0 {
			break // a semicolon at the end is common in the wild
		}
		m, none, err := l.method(len(r.Methods) == 0)
		if err != nil {
			return r, err
		}
		if none {
			return r, nil
		}
		r.Methods = append(r.Methods, m)
	}
	return r, nil
}

// method reads one resinfo after its semicolon, or "none" where that may stand.
func (l *lexer) method(first bool) (m Method, none bool, err error) {
	name, err := l.keyword("a method")
	if err != nil {
		return m, false, err
	}
	m.Name = strings.ToLower(name)
	if _, err = l.cfws(); err != nil {
		return m, false, err
	}
	if first && m.Name == "none" && l.end() {
		return m, true, nil
	}
	if l.accept('/') {
		if _, err = l.cfws(); err != nil {
			return m, false, err
		}
		n, ok := l.number()
		if !ok || n == 0 {
			return m, false, l.fail("method version")
		}
		m.Version = n
		if _, err = l.cfws(); err != nil {
			return m, false, err
		}
	}
	if !l.accept('=') {
		return m, false, l.fail("an equals sign is wanted")
	}
	if _, err = l.cfws(); err != nil {
		return m, false, err
	}
	if m.Result, err = l.keyword("a result"); err != nil {
		return m, false, err
	}
	m.Result = strings.ToLower(m.Result)
	return m, false, l.details(&m)
}

// details reads what follows a result: comment, reason and properties.
func (l *lexer) details(m *Method) error {
	for {
		space, err := l.cfws()
		if err != nil {
			return err
		}
		if m.Comment == "" {
			m.Comment = l.comment
		}
		if l.end() || l.peek() == ';' {
			return nil
		}
		if !space {
			return l.fail("a blank is wanted")
		}
		if err := l.detail(m); err != nil {
			return err
		}
	}
}

// detail reads one reason=value or type.name=value.
func (l *lexer) detail(m *Method) error {
	name, err := l.keyword("a property")
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	if _, err := l.cfws(); err != nil {
		return err
	}
	if name == "reason" && m.Reason == "" && len(m.Props) == 0 && l.accept('=') {
		if _, err := l.cfws(); err != nil {
			return err
		}
		m.Reason, err = l.value()
		return err
	}
	p := Property{Type: name}
	if !l.accept('.') {
		return l.fail("a dot is wanted")
	}
	if _, err := l.cfws(); err != nil {
		return err
	}
	if p.Name, err = l.keyword("a property's name"); err != nil {
		return err
	}
	if _, err := l.cfws(); err != nil {
		return err
	}
	if !l.accept('=') {
		return l.fail("an equals sign is wanted")
	}
	if _, err := l.cfws(); err != nil {
		return err
	}
	if p.Value, err = l.propValue(); err != nil {
		return err
	}
	m.Props = append(m.Props, p)
	return nil
}

// propValue reads a pvalue: a value, or [local-part] "@" domain. Real fields have
// more in it than the grammar allows unquoted ("header.b=ab/c+d=", "smtp.mailfrom=a=b@c",
// "policy.ip=[::1]"), so anything up to a blank, semicolon or comment is taken; not
// a backslash, behind which other readers would not see one of these.
// A quoted local part keeps its quotes, as they belong to the address.
func (l *lexer) propValue() (string, error) {
	start := l.pos
	if l.peek() == '"' {
		text, ok := l.quotedString()
		if !ok {
			return "", l.fail("quoted string without end")
		}
		if l.peek() != '@' {
			return text, nil
		}
	}
	tail := l.run(func(c byte) bool { return c > ' ' && c != 0x7f && strings.IndexByte(`;()"\`, c) < 0 })
	if tail == "" {
		return "", l.fail("a value is wanted")
	}
	return string(l.in[start:l.pos]), nil
}
