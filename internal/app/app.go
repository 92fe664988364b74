// Package app is the life of the filter: it opens sockets, gives up privileges,
// serves what package build makes of the configuration, reloads and stops.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset/remote"
	"dojang/internal/event"
	"dojang/internal/exit"
	"dojang/internal/filter"
	"dojang/internal/metrics"
	"dojang/internal/policy"
	"dojang/internal/problem"
	"dojang/internal/reputation"
	"dojang/internal/rsaengine"
	"dojang/internal/status"
	"dojang/milter"
)

// Options start an App.
type Options struct {
	Config *config.Config
	// Path is the configuration file as the administrator wrote it.
	Path string
	// Load reads the configuration again for a reload; nil when there is no file.
	Load func() (*config.Config, problem.List)
	// Args are the command line, for the start line of the log.
	Args string
	// Version is dojang's own.
	Version string
	// Published are key records to answer before any name server is asked: those
	// of keys that are not in DNS yet.
	Published map[string]string
	// Console gets log lines beside what the configuration says; nil for none.
	Console slog.Handler
	// ShutdownTimeout bounds how long messages in hand may take to finish after
	// TERM; 0 is 30 seconds.
	ShutdownTimeout time.Duration
	// AutoReloadInterval is how often AutoReload looks at the files; 0 is one second.
	AutoReloadInterval time.Duration
	// KeepInterval is how often counts of mail are written to their files, beside
	// the stop; 0 is five minutes.
	KeepInterval time.Duration
}

// startLintTime is how long a start or a reload checks keys: time for those of
// most sites, and mail does not wait for the rest.
const startLintTime = 50 * time.Millisecond

// App is a filter at work.
type App struct {
	o        Options
	config   *config.Config
	log      *slog.Logger
	closeLog func()
	account  build.Account
	parts    build.Parts
	metrics  *metrics.Metrics
	filter   *filter.Filter
	servers  []*milter.Server
	engine   string // what signs with RSA keys
	summary  build.Summary
	watched  fileTimes
	manager  *manager
	counts   []*countFile
	recorder *status.Recorder // nil when nobody asks
	status   statusSource
	reload   sync.Mutex // held by whoever reloads; guards config, summary and watched
}

// New opens every table and key that the configuration names. On an error in
// the problems the App is nil.
func New(ctx context.Context, o Options) (*App, problem.List) {
	tuneMemory()
	a := &App{o: o, config: o.Config, metrics: metrics.New(o.Version)}
	if a.o.ShutdownTimeout <= 0 {
		a.o.ShutdownTimeout = 30 * time.Second
	}
	if a.o.AutoReloadInterval <= 0 {
		a.o.AutoReloadInterval = time.Second
	}
	if a.o.KeepInterval <= 0 {
		a.o.KeepInterval = 5 * time.Minute
	}
	log, closeLog, problems := openLog(o.Config, o.Console)
	if problems.HasErrors() {
		return nil, problems
	}
	a.log, a.closeLog = log, closeLog
	if problems = append(problems, a.open(ctx)...); problems.HasErrors() {
		for _, p := range problems {
			event.StartProblem(p).Write(a.log, "")
		}
		a.closeLog()
		return nil, problems
	}
	return a, problems
}

// open opens what the configuration names.
func (a *App) open(ctx context.Context) (problems problem.List) {
	o := a.o
	if a.account, problems = build.AccountOf(o.Config); problems.HasErrors() {
		return problems
	}
	engine, err := rsaengine.New(rsaengine.Options{Mode: o.Config.SigningEngine.Value})
	if err != nil {
		v := o.Config.SigningEngine.Source()
		problems.Addf(problem.Error, v.File, v.Line, "SigningEngine", "write SigningEngine auto", "%s", err)
		return problems
	}
	a.engine = engine.Name()
	a.metrics.SigningEngine(a.engine, func() uint64 { return engine.Stats().Faults })
	a.metrics.SigningKeys(a.status.keyCache)
	a.parts = build.Parts{
		Engine: engineFor(engine), FastRSA: fastRSA(engine),
		Resolvers: new(build.Resolvers), Caches: new(remote.Caches), Counter: new(reputation.Counter), Flow: new(reputation.Counter),
		Version: o.Version, Account: a.account, Published: o.Published, KeyLintTime: startLintTime,
		Log: a.log, Metrics: a.metrics,
	}
	a.openRecorder()
	built, problems := build.Snapshot(ctx, o.Config, a.parts)
	if built == nil {
		return problems
	}
	a.summary = built.Summary
	a.watched = statFiles(append(built.Files, a.configFiles(o.Config)...))
	a.status.loaded(built.Keys, o.Config)
	a.filter = filter.New(built.Snapshot, a.metrics, nil)
	return problems
}

// configFiles are the files that a configuration was read from.
func (a *App) configFiles(c *config.Config) []string {
	return append(c.Files(), a.o.Path)
}

// Run serves until ctx ends or TERM or INT arrives. Ready is called when every
// socket listens.
func (a *App) Run(ctx context.Context, ready func()) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// Caught before anybody can know our process ID: their default is to kill.
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(reloads)
	a.manager = dialManager()
	pid := a.pidFile()
	defer pid.Remove()
	serving, stopMetrics, err := a.start()
	if err != nil {
		event.StartFailed(err).Write(a.log, "")
		a.closeLog()
		return err
	}
	defer stopMetrics()
	pid.Write()
	ready()
	a.manager.tell("READY=1")
	go a.watchSignals(ctx, reloads)
	go a.keepWatchdog(ctx)
	go a.restWhenQuiet(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { a.keepCounts(ctx) })
	select {
	case <-ctx.Done():
	case err = <-serving:
		stop()
	}
	a.stop()
	keeping.Wait()
	if a.recorder != nil {
		a.recorder.Closing()
	}
	a.writeCounts()
	status := 0
	if err != nil {
		status = 1
	}
	event.Stopped(CompatibleVersion, status).Write(a.log, "")
	a.closeLog()
	return err
}

// start does what root may be needed for, gives up root and listens.
func (a *App) start() (serving <-chan error, stopMetrics func(), err error) {
	if err := a.prepareProcess(); err != nil {
		return nil, nil, err
	}
	if err := a.openStatus(true); err != nil {
		return nil, nil, err
	}
	listeners, err := a.listen()
	if err != nil {
		return nil, nil, err
	}
	if stopMetrics, err = a.serveMetrics(); err != nil {
		return nil, nil, err
	}
	if err = a.openStatus(false); err != nil {
		return nil, nil, err
	}
	a.readCounts()
	metricsStop, stopStatus := stopMetrics, a.serveStatus(listeners)
	stopMetrics = func() { metricsStop(); stopStatus() }
	event.Started(CompatibleVersion, a.o.Version, a.o.Args, a.engine).Write(a.log, "")
	return a.serve(listeners), stopMetrics, nil
}

// CompatibleVersion is the OpenDKIM release whose behaviour and log lines ours
// are.
const CompatibleVersion = "2.11.0"

// prepareProcess makes the process what the configuration wants it to be, in
// the order of opendkim(8) FILE PERMISSIONS: tables are open by now.
func (a *App) prepareProcess() error {
	c := a.config
	if c.UMask.IsSet() {
		syscall.Umask(c.UMask.Value)
	}
	if dir := c.ChangeRootDirectory.Value; dir != "" {
		if err := enterRoot(dir); err != nil {
			return exit.Errorf(exit.OSErr, "%s: %s", dir, err)
		}
	}
	return nil
}

// enterRoot locks the process into a folder.
func enterRoot(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("chdir(): %s", problem.Strerror(err))
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot(): %s", problem.Strerror(err))
	}
	return nil
}

// becomeUser gives up root when UserID says so.
func (a *App) becomeUser() error {
	if a.config.UserID.Value != "" && os.Geteuid() == 0 {
		if err := become(a.account); err != nil {
			return err
		}
		dieWithSupervisor() // once more: the kernel forgets it when the user changes
	}
	if a.config.EnableCoredumps.Value {
		if err := enableCoredumps(); err != nil {
			event.NoCoredumps(err).Write(a.log, "")
		}
	}
	return nil
}

// listener is one socket and what is done with mail from it.
type listener struct {
	net.Listener
	role config.Role
}

// listen opens every Socket, or takes those systemd holds. Sockets with an
// owner or group of their own are made before root goes, the others after, so
// that they belong to the filter's user.
func (a *App) listen() (listeners []listener, err error) {
	handed, err := activated()
	if err != nil {
		return nil, err
	}
	listeners = append(listeners, handed...)
	sockets := a.config.Sockets()
	if len(handed) > 0 {
		sockets = nil
	}
	open := func(early bool) error {
		for _, s := range sockets {
			if (s.Owner != "" || s.Group != "") != early {
				continue
			}
			if early && s.Owner == "" && a.config.UserID.Value != "" {
				s.Owner = a.account.Name // as it is for those made later
			}
			l, err := Listen(s, a.account)
			if err != nil {
				return err
			}
			listeners = append(listeners, listener{l, s.Role})
		}
		return nil
	}
	if err := open(true); err != nil {
		return nil, err
	}
	if err := a.becomeUser(); err != nil {
		return nil, err
	}
	if err := open(false); err != nil {
		return nil, err
	}
	if len(listeners) == 0 {
		return nil, exit.Errorf(exit.Config,
			"milter socket must be specified: write Socket inet:8891@localhost in the configuration file, or -p")
	}
	return listeners, nil
}

// serve starts a server for each listener. What is sent ended its Serve for
// another reason than our own stopping.
func (a *App) serve(listeners []listener) <-chan error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		server := milter.NewServer(a.filter.SessionMaker(filterRole(l.role)), milter.Options{
			ErrorLog: func(err error, remote string) {
				event.ConnectionError(remote, err).Write(a.log, "")
			},
			OnPanic: a.panicked,
		})
		a.servers = append(a.servers, server)
		go func() {
			if err := server.Serve(l); err != nil && !errors.Is(err, milter.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				failed <- err
			}
		}()
	}
	return failed
}

func filterRole(r config.Role) filter.Role {
	switch r {
	case config.RoleSign:
		return filter.SignOnly
	case config.RoleVerify:
		return filter.VerifyOnly
	}
	return filter.AsConfigured
}

// panicked is the one place where a mistake of ours ends up: it is told with its
// stack, and the message follows On-InternalError.
func (a *App) panicked(v any, stack []byte) milter.Response {
	event.Panicked(v, stack).Write(a.log, "")
	a.metrics.Panicked()
	if a.filter.Current().Rules.Verdicts.InternalError().Action == policy.Accept {
		return milter.Accept
	}
	return milter.TempFail
}

// stop closes the listeners and waits for the messages in hand.
func (a *App) stop() {
	a.manager.tell("STOPPING=1")
	ctx, cancel := context.WithTimeout(context.Background(), a.o.ShutdownTimeout)
	defer cancel()
	var wait sync.WaitGroup
	for _, s := range a.servers {
		wait.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				event.CutOff(err).Write(a.log, "")
			}
		})
	}
	wait.Wait()
	a.filter.Close()
}

// pidFile opens PidFile, unless a supervisor holds it.
func (a *App) pidFile() *pidFile {
	if currentRole() == worker {
		return nil
	}
	o := pidFileOptions{Path: a.config.PidFile.Value, Account: a.account, Leaves: a.config.ChangeRootDirectory.Value != ""}
	return openPidFile(o, a.log)
}
