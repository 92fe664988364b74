package config

// example returns a line to type.
func example(o Option) string {
	switch {
	case o.Name == "Socket":
		return "Socket inet:8891@localhost or Socket local:/run/opendkim/opendkim.sock"
	case o.Type == Boolean:
		return o.Name + " yes"
	case len(o.Allowed) > 0:
		return o.Name + " " + o.Allowed[0]
	case o.Type == Octal:
		return o.Name + " 002"
	case o.Default != "":
		return o.Name + " " + o.Default
	case o.Type == Integer, o.Type == Duration:
		return o.Name + " 300"
	}
	return o.Name + " and its value"
}

func historicHint(o Option) string { return "take the line out" }
