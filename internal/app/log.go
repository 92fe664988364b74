package app

import (
	"log/slog"
	"os"

	"dojang/internal/config"
	"dojang/internal/logging"
	"dojang/internal/problem"
)

// openLog makes the log that a configuration asks for: syslog, standard output,
// the console when given, or all of them. LogFormat json makes objects of the
// lines of the first two, details without a classic line among them; with neither
// of them it goes to standard error. stop writes what is queued.
func openLog(c *config.Config, console slog.Handler) (log *slog.Logger, stop func(), problems problem.List) {
	stop = func() {}
	var handlers []slog.Handler
	json := c.LogFormat.Value == "json"
	if c.Syslog.Value {
		s, err := logging.NewSyslog(logging.SyslogOptions{
			Facility: c.SyslogFacility.Value,
			Name:     c.SyslogName.Value,
			Socket:   c.SyslogSocket.Value,
		})
		if err != nil {
			v := c.SyslogFacility.Source()
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
	case json && c.StdoutLog.Value:
		handlers = append(handlers, logging.NewJSON(os.Stdout, logging.LevelSummary))
	case json && !c.Syslog.Value:
		handlers = append(handlers, logging.NewJSON(os.Stderr, logging.LevelSummary))
	case c.StdoutLog.Value:
		handlers = append(handlers, logging.NewStream(os.Stdout, "", slog.LevelDebug))
	}
	if console != nil {
		handlers = append(handlers, console)
	}
	return slog.New(slog.NewMultiHandler(handlers...)), stop, problems
}
