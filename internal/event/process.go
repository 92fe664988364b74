package event

import (
	"fmt"
	"log/slog"
	"strings"

	"dojang/internal/problem"
)

// The life of the process.

// Started: every socket listens. The line has the release of OpenDKIM whose words it
// is in; version is our own.
func Started(release, version, args, engine string) Event {
	text := "OpenDKIM Filter v" + release + " starting"
	if args != "" {
		text += " (args: " + args + ")"
	}
	return info("start", text, slog.String("version", version), slog.String("args", args), slog.String("signing_engine", engine))
}

// Stopped: the filter ends, with that exit status.
func Stopped(release string, status int) Event {
	text := fmt.Sprintf("OpenDKIM Filter v%s terminating with status %d, errno = 0", release, status)
	return info("stop", text, slog.Int("status", status))
}

// StartFailed: the filter cannot serve, and ends.
func StartFailed(err error) Event {
	return failure("start_failed", err.Error(), slog.String("error", err.Error()))
}

// StartProblem: what is wrong with the configuration that the filter was to start with.
func StartProblem(p problem.Problem) Event {
	return failure("start_problem", p.Sentence(), place(p)...)
}

// ReloadProblem: what is wrong with a configuration that was to be reloaded.
func ReloadProblem(p problem.Problem) Event {
	return failure("reload_problem", p.Sentence(), place(p)...)
}

// ConfigurationWarning: what should be mended in a configuration that is in force, told
// at a reload, and in the JSON log at the start too.
func ConfigurationWarning(p problem.Problem) Event {
	return warning("configuration_warning", p.Sentence(), place(p)...)
}

// place is where a problem is and what helps, as far as it is known.
func place(p problem.Problem) []slog.Attr {
	var attrs []slog.Attr
	if p.File != "" {
		attrs = append(attrs, slog.String("file", p.File), slog.Int("line", p.Line))
	}
	if p.Option != "" {
		attrs = append(attrs, slog.String("option", p.Option))
	}
	return append(attrs, slog.String("problem", p.Text), slog.String("hint", p.Hint))
}

// Reloaded: a configuration is in force from now on; difference says what has changed.
func Reloaded(path, difference string) Event {
	return info("reloaded", "configuration reloaded from "+path, slog.String("path", path), slog.String("difference", difference))
}

// ReloadDifference: what a reload has changed, where it has changed anything.
func ReloadDifference(difference string) Event {
	return info("reload_difference", "reloaded: "+difference, slog.String("difference", difference))
}

// RestartNeeded: options that changed and that a reload cannot change.
func RestartNeeded(options []string) Event {
	return warning("restart_needed", "a restart is needed for: "+strings.Join(options, ", "), slog.Any("options", options))
}

// ReloadFailed: after its reload_problems, that nothing has changed.
func ReloadFailed() Event {
	return failure("reload_failed", "configuration not reloaded: the old one stays in force")
}

// ReloadIgnored: there is no configuration file to read again.
func ReloadIgnored() Event { return info("reload_ignored", "ignoring reload signal") }

// OptionDeprecated: an option is in use whose work another does.
func OptionDeprecated(option, successor string) Event {
	return warning("option_deprecated", fmt.Sprintf("%q deprecated; use %q instead", option, successor),
		slog.String("option", option), slog.String("use", successor))
}

// WorkerNotStarted: AutoRestart's worker could not be started.
func WorkerNotStarted(err error) Event {
	return failure("worker_not_started", "can't start the worker: "+err.Error(), because(err))
}

// WorkerRestarted: AutoRestart's worker ended, as the words say, and is started again.
func WorkerRestarted(words string) Event {
	return notice("worker_restarted", words+", restarting", slog.String("why", words))
}

// TooManyRestarts: the worker ended once more often than AutoRestartCount or
// AutoRestartRate allow, by count or by rate.
func TooManyRestarts(limit string) Event {
	return failure("too_many_restarts", "maximum restart "+limit+" exceeded", slog.String("limit", limit))
}

// CutOff: ShutdownTimeout ended before the messages in hand did.
func CutOff(err error) Event {
	return warning("cut_off", "messages in hand were cut off at the stop: "+err.Error(), because(err))
}

// NoCoredumps: EnableCoredumps could not be obeyed.
func NoCoredumps(err error) Event {
	return warning("no_coredumps", "can't enable coredumps; continuing", because(err))
}

// PidFileFailed: PidFile could not be written.
func PidFileFailed(path string, err error) Event {
	return failure("pid_file_failed", fmt.Sprintf("can't write pid to %s: %s", path, problem.Strerror(err)),
		slog.String("path", path), because(err))
}

// CountsNotRead: the file of an option that keeps counts over a restart could not be
// read: they begin anew.
func CountsNotRead(option string, err error) Event {
	why := problem.Reason(err)
	return warning("counts_not_read", option+": "+why, slog.String("option", option), slog.String("error", why))
}

// CountsNotWritten: such a file could not be written. It is told once until it is
// another failure.
func CountsNotWritten(option, why string) Event {
	return failure("counts_not_written", option+": counts not written: "+why, slog.String("option", option), slog.String("error", why))
}

// HTTPFailed: MetricsSocket or StatusSocket does not answer any more.
func HTTPFailed(option string, err error) Event {
	return failure("http_failed", option+": "+err.Error(), slog.String("option", option), because(err))
}

// ConnectionError: a connection of an MTA ended early, and why.
func ConnectionError(remote string, err error) Event {
	return warning("connection_error", fmt.Sprintf("connection from %s: %s", remote, err), slog.String("remote", remote), because(err))
}

// Milter is a step of the dialogue with an MTA, told under MilterDebug.
func Milter(step, text, client string) Event {
	if text != "" {
		text = " " + text
	}
	return debug("milter_"+step, "milter: "+step+text, slog.String("client", cut(client)))
}

// Panicked: a mistake of ours. The message follows On-InternalError, and the connection
// is closed.
func Panicked(v any, stack []byte) Event {
	return critical("panic", fmt.Sprintf("internal error: %v", v), slog.String("stack", string(stack)))
}

// PageBroke: a mistake of ours in one of the pages of "dojang web".
func PageBroke(path string, v any, stack []byte) Event {
	return failure("panic", "internal error in a page", slog.String("path", cut(path)), slog.String("error", fmt.Sprint(v)),
		slog.String("stack", string(stack)))
}
