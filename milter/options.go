package milter

import "time"

// Options of a Server. The zero value works: no edits, every step, libmilter's
// time-outs.
type Options struct {
	// Actions the filter wants; those the MTA does not offer are not granted.
	Actions ActionMask
	// Required actions end the negotiation with an error when the MTA does not
	// offer them. They count as wanted.
	Required ActionMask
	// NoReply are steps the filter promises to answer with Continue only; where
	// the MTA offers it, the answers are not sent.
	NoReply StepMask
	// Skip are steps the filter does not want, where the MTA offers to leave them out.
	Skip StepMask
	// WantSkip asks for the response Skip.
	WantSkip bool
	// WantHeaderLeadingSpace asks for header values byte exact.
	WantHeaderLeadingSpace bool
	// Macros wanted at each stage, asked for when the MTA offers SETSYMLIST. A
	// stage that is not named keeps the MTA's own list; an empty list asks for none.
	Macros map[Stage][]string

	// MaxFrameBytes limits a frame; 0 is 1 MiB. Nothing is allocated for a
	// longer one, the connection is closed.
	MaxFrameBytes int
	// MaxConnections limits connections at a time; 0 is 10,000, negative is no
	// limit. Those beyond are closed as soon as they are accepted.
	MaxConnections int

	NegotiateTimeout time.Duration // from accept to the MTA's first frame; 0 is 1 minute
	CommandTimeout   time.Duration // for the next frame within a message; 0 is 7210 s, as libmilter
	FrameTimeout     time.Duration // from a frame's first octet to its last; 0 is 5 minutes
	WriteTimeout     time.Duration // for a write; 0 is 2 minutes
	IdleTimeout      time.Duration // between messages; 0 is 7210 s, as libmilter

	// OnPanic is told of a panic in a Session and chooses what the step is
	// answered with; nil answers TempFail. The connection is then closed.
	OnPanic func(v any, stack []byte) Response
	// ErrorLog is told why a connection was closed early, or what is wrong with
	// a listener; nil drops it. An MTA that just leaves between two frames, as
	// Sendmail does when its client leaves in the middle of a message, or a monitor
	// that connects and closes, is no error. Called by several goroutines.
	ErrorLog func(err error, remote string)
}

const (
	defaultMaxFrameBytes    = 1 << 20
	defaultMaxConnections   = 10_000
	defaultNegotiateTimeout = time.Minute
	defaultCommandTimeout   = 7210 * time.Second
	defaultFrameTimeout     = 5 * time.Minute
	defaultWriteTimeout     = 2 * time.Minute
	defaultIdleTimeout      = 7210 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MaxFrameBytes <= 0 {
		o.MaxFrameBytes = defaultMaxFrameBytes
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultMaxConnections
	}
	orDefault(&o.NegotiateTimeout, defaultNegotiateTimeout)
	orDefault(&o.CommandTimeout, defaultCommandTimeout)
	orDefault(&o.FrameTimeout, defaultFrameTimeout)
	orDefault(&o.WriteTimeout, defaultWriteTimeout)
	orDefault(&o.IdleTimeout, defaultIdleTimeout)
	if o.OnPanic == nil {
		o.OnPanic = func(any, []byte) Response { return TempFail }
	}
	if o.ErrorLog == nil {
		o.ErrorLog = func(error, string) {}
	}
	return o
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}
