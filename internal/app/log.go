package app

import (
	"log/slog"
	"os"

	"dojang/internal/config"
	"dojang/internal/logging"
	"dojang/internal/problem"
)

// OpenLog makes the log that a configuration asks for: syslog, standard output,
// the console when given, or all of them. LogFormat json makes objects of the
// lines of the first two, details without a classic line among them; with neither
// of them it goes to standard error. stop writes what is queued.
func OpenLog(c *config.Config, console slog.Handler) (log *slog.Logger, stop func(), problems problem.List) {
	stop = func() {}
	var handlers []slog.Handler
	json := c.Choice("LogFormat") == "json"
	if c.Bool("Syslog") {
		s, err := logging.NewSyslog(logging.SyslogOptions{
			Facility: c.String("SyslogFacility"),
			Name:     c.String("SyslogName"),
			Socket:   c.String("SyslogSocket"),
		})
		if err != nil {
			v := c.Source("SyslogFacility")
			problems.Addf(problem.Error, v.File, v.Line, "SyslogFacility", "one of mail, daemon, local0 to local7, ...", "%s", err)
			return nil, stop, problems
		}
		stop = s.Close
		if json {
			handlers = append(handlers, logging.NewSyslogJSON(s, logging.LevelSummary))
		} else {
			handlers = append(handlers, logging.NewSyslogHandler(s, slog.LevelDebug))
		}
	}
	switch {
	case json && c.Bool("StdoutLog"):
		handlers = append(handlers, logging.NewJSON(os.Stdout, logging.LevelSummary))
	case json && !c.Bool("Syslog"):
		handlers = append(handlers, logging.NewJSON(os.Stderr, logging.LevelSummary))
	case c.Bool("StdoutLog"):
		handlers = append(handlers, logging.NewStream(os.Stdout, "", slog.LevelDebug))
	}
	if console != nil {
		handlers = append(handlers, console)
	}
	return slog.New(slog.NewMultiHandler(handlers...)), stop, problems
}
