package config

import "strings"

// example returns a line to type, or several with "or" between.
func example(o *Option) string {
	var b strings.Builder
	for i, value := range o.examples() {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(o.Name + " " + value)
	}
	return b.String()
}

// examples returns values that the option takes, at least one.
func (o *Option) examples() []string {
	switch {
	case len(o.Examples) > 0:
		return o.Examples
	case len(o.Allowed) > 0 && o.Default == "":
		return o.Allowed[:1]
	case len(o.Allowed) > 0:
		return []string{o.Default}
	case o.Type == Boolean:
		return []string{"yes"}
	case o.Type == Octal:
		return []string{"002"}
	case o.Type == Rate:
		return []string{"10/1h"}
	case o.Default != "":
		return []string{o.Default}
	case o.Type == Integer, o.Type == Duration:
		return []string{"300"}
	case o.Type == Path:
		return []string{"/path/of/it"}
	case o.Type == DataSet, o.Type == List:
		return []string{"one,two"}
	}
	return []string{"text"}
}

// historicHint says what to do with a line of an older release.
func historicHint(o *Option) string {
	if o.instead != "" {
		return "take the line out and use " + o.instead
	}
	return "take the line out"
}

// ReadExample returns what the option's example is read as: a value of the type
// that its field in Settings has.
func (o *Option) ReadExample() (any, error) {
	return o.valueOf(o.examples()[0])
}
