// Package getopt reads command lines as OpenDKIM's tools do: those in C by getopt(3),
// that in Perl by Getopt::Long.
package getopt

import (
	"fmt"
	"io"
	"strings"
)

// Short reads a command line as C's getopt(3) does with spec, in which
// a letter followed by a colon takes a value. It calls set for each option and
// returns what is no option. Mistakes are told on errs as the C library tells
// them, and end the reading.
//
// Compat(opendkim 2.11): the C tools know short options only, bundled, with
// values attached or apart, and take options after operands too.
func Short(program string, errs io.Writer, args []string, spec string, set func(option byte, value string)) (operands []string, ok bool) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return append(operands, args...), true
		}
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, arg)
			continue
		}
		for letters := arg[1:]; letters != ""; {
			option := letters[0]
			letters = letters[1:]
			i := strings.IndexByte(spec, option)
			switch {
			case i < 0 || option == ':':
				fmt.Fprintf(errs, "%s: invalid option -- '%c'\n", program, option)
				return nil, false
			case i+1 == len(spec) || spec[i+1] != ':':
				set(option, "")
			case letters != "":
				set(option, letters)
				letters = ""
			case len(args) > 0:
				set(option, args[0])
				args = args[1:]
			default:
				fmt.Fprintf(errs, "%s: option requires an argument -- '%c'\n", program, option)
				return nil, false
			}
		}
	}
	return operands, true
}
