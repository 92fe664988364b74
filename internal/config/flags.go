package config

import (
	"io"

	"dojang/internal/getopt"
)

// Flag is one command-line flag of opendkim(8).
type Flag struct {
	Letter     string
	Option     string // the option it sets, "" when it sets none
	Value      string // what it sets the option to when it takes no value itself
	TakesValue bool
	Argument   string // the argument's name in help, "" when none
	Doc        string
}

// Flags returns the flags of opendkim(8), sorted as its synopsis.
func Flags() []Flag {
	return []Flag{
		{Letter: "A", Option: "AutoRestart", Value: "yes", Doc: "start anew after a failure"},
		{Letter: "b", Option: "Mode", TakesValue: true, Argument: "modes", Doc: "what to do: s (sign), v (verify) or both letters"},
		{Letter: "c", Option: "Canonicalization", TakesValue: true, Argument: "canon", Doc: "canonicalization for signing: relaxed or simple, or header/body"},
		{Letter: "d", Option: "Domain", TakesValue: true, Argument: "dataset", Doc: "domains to sign for"},
		{Letter: "D", Option: "SubDomains", Value: "yes", Doc: "sign for subdomains of -d too"},
		{Letter: "e", TakesValue: true, Argument: "name", Doc: "print the value of an option from the configuration file"},
		{Letter: "f", Option: "Background", Value: "no", Doc: "stay in the foreground"},
		{Letter: "F", TakesValue: true, Argument: "time", Doc: "with -t: sign as of this time (seconds since 1970)"},
		{Letter: "k", Option: "KeyFile", TakesValue: true, Argument: "keyfile", Doc: "private key to sign with"},
		{Letter: "l", Option: "Syslog", Value: "yes", Doc: "log through syslog"},
		{Letter: "L", Option: "Minimum", TakesValue: true, Argument: "min[%+]", Doc: "how much of a body a signature must cover"},
		{Letter: "n", Doc: "check the configuration, print what is wrong, and exit"},
		{Letter: "o", Option: "OmitHeaders", TakesValue: true, Argument: "dataset", Doc: "header fields to leave out of signatures"},
		{Letter: "O", Option: "StdoutLog", Value: "yes", Doc: "log to standard output too"},
		{Letter: "p", Option: "Socket", TakesValue: true, Argument: "socketspec", Doc: "socket to listen on"},
		{Letter: "P", Option: "PidFile", TakesValue: true, Argument: "pidfile", Doc: "file to write the process ID to"},
		{Letter: "q", Option: "Quarantine", Value: "yes", Doc: "quarantine messages that fail verification"},
		{Letter: "Q", Doc: "query a data set named on standard input"},
		{Letter: "r", Option: "RequiredHeaders", Value: "yes", Doc: "reject messages without the header fields RFC 5322 wants"},
		{Letter: "s", Option: "Selector", TakesValue: true, Argument: "selector", Doc: "selector to sign with"},
		{Letter: "S", Option: "SignatureAlgorithm", TakesValue: true, Argument: "signalg", Doc: "algorithm to sign with"},
		{Letter: "t", TakesValue: true, Argument: "testfiles", Doc: "evaluate messages from files (- is standard input) and exit"},
		{Letter: "T", Option: "DNSTimeout", TakesValue: true, Argument: "secs", Doc: "time limit for a DNS answer"},
		{Letter: "u", Option: "UserID", TakesValue: true, Argument: "userid[:group]", Doc: "user to become"},
		{Letter: "v", Doc: "with -t: say more; repeat for still more"},
		{Letter: "V", Doc: "print version and abilities, and exit"},
		{Letter: "W", Option: "LogWhy", Value: "yes", Doc: "log why a message is signed, verified or left alone"},
		{Letter: "x", TakesValue: true, Argument: "configfile", Doc: "configuration file"},
		{Letter: "X", Doc: "tolerate options that are going away"},
	}
}

// ReadFlags reads the arguments of opendkim(8) and returns what its flags set, in the order
// of Flags; of one that comes twice the last value counts. The others it hands to other. It
// tells each mistake on errs as getopt(3) does.
func ReadFlags(errs io.Writer, args []string, other func(letter byte, value string)) (set []Override, operands []string, ok bool) {
	flags, spec := Flags(), ""
	known := map[byte]Flag{}
	for _, flag := range flags {
		known[flag.Letter[0]] = flag
		if spec += flag.Letter; flag.TakesValue {
			spec += ":"
		}
	}
	values := map[string]string{}
	operands, ok = getopt.Short("opendkim", errs, args, spec, func(letter byte, value string) {
		flag := known[letter]
		if !flag.TakesValue {
			value = flag.Value
		}
		if flag.Option == "" {
			other(letter, value)
			return
		}
		values[flag.Option] = value
	})
	for _, flag := range flags {
		if value, given := values[flag.Option]; given {
			set = append(set, Override{Option: flag.Option, Value: value})
		}
	}
	return set, operands, ok
}
