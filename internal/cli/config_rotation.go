package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/rotate/settings"
)

// explainConfig tells what options of opendkim.conf or rotate.conf do.
// Without a name it lists those of opendkim.conf.
func explainConfig(s Streams, names []string) error {
	if len(names) == 0 {
		for _, o := range config.Options() {
			if o.Status != config.Historic {
				fmt.Fprintln(s.Out, o.Name)
			}
		}
	}
	for _, name := range names {
		other := settings.Find(name)
		if config.Find(name) != nil || other == nil {
			known, err := config.Explain(s.Out, name)
			if err != nil {
				return exit.Errorf(exit.IOErr, "%s", err)
			}
			if !known {
				return exit.Errorf(exit.Usage, "%s: no such option", name) // which one is near was printed
			}
		}
		if other != nil {
			fmt.Fprint(s.Out, "In rotate.conf: ")
			if err := other.Explain(s.Out); err != nil {
				return exit.Errorf(exit.IOErr, "%s", err)
			}
		}
	}
	return nil
}

// checkRotation tells what is wrong with rotate.conf, and with the files that it names
// as far as this user may look. Nobody must have one.
func checkRotation(s Streams, path string, named bool) int {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named {
		return exit.OK
	}
	set, problems := settings.Load(path)
	if os.Geteuid() == 0 && !problems.HasErrors() {
		problems = append(problems, set.CheckFiles()...)
	}
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Config
	}
	return exit.OK
}
