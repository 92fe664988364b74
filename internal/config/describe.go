package config

// example returns a line to type.
func example(o Option) string {
	switch o.Name {
	case "Socket":
		return "Socket inet:8891@localhost or Socket local:/run/opendkim/opendkim.sock"
	case "MetricsSocket":
		return "MetricsSocket inet:9891@localhost"
	case "KeyTable", "SigningTable":
		return o.Name + " refile:/etc/opendkim/" + o.Name
	case "InternalHosts", "ExternalIgnoreList", "PeerList":
		return o.Name + " refile:/etc/opendkim/TrustedHosts or " + o.Name + " 127.0.0.1,::1,192.0.2.0/24"
	case "Domain":
		return "Domain example.com"
	case "Selector":
		return "Selector mail"
	case "KeyFile":
		return "KeyFile /etc/dkimkeys/mail.private"
	case "Canonicalization":
		return "Canonicalization relaxed/simple"
	case "SignatureTTL":
		return "SignatureTTL 604800"
	case "RequireSenderMatch":
		return "RequireSenderMatch yes or RequireSenderMatch file:/etc/opendkim/SenderMatch"
	case "UserID":
		return "UserID opendkim"
	case "Nameservers":
		return "Nameservers 127.0.0.1"
	case "Minimum":
		return "Minimum 100%"
	}
	return exampleOfType(o)
}

func exampleOfType(o Option) string {
	switch {
	case len(o.Allowed) > 0 && o.Default != "":
		return o.Name + " " + o.Default
	case len(o.Allowed) > 0:
		return o.Name + " " + o.Allowed[0]
	case o.Type == Boolean:
		return o.Name + " yes"
	case o.Type == Octal:
		return o.Name + " 002"
	case o.Type == Rate:
		return o.Name + " 10/1h"
	case o.Default != "":
		return o.Name + " " + o.Default
	case o.Type == Integer, o.Type == Duration:
		return o.Name + " 300"
	case o.Type == Path:
		return o.Name + " /path/of/it"
	case o.Type == DataSet, o.Type == List:
		return o.Name + " one,two"
	}
	return o.Name + " text"
}

// historicHint says what to do with a line of an older release.
func historicHint(o Option) string {
	if o.instead != "" {
		return "take the line out and use " + o.instead
	}
	return "take the line out"
}
