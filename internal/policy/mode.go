package policy

// Mode is what a plan comes to, of all that its parts could mean together.
type Mode uint8

// The modes.
const (
	Ends     Mode = iota // the message is answered by Reply when its header ends
	Exempts              // it goes on without the results that it claims to have from us
	Malforms             // nobody can say whose it is: the result is permerror
	Signs                // as ours
	Verifies             // as a stranger's
	Resigns              // as a stranger's, and then signs it anew
	LeavesBe             // neither: nothing is planned
)

func (m Mode) String() string {
	return [...]string{"end", "exempt", "malformed", "sign", "verify", "sign and verify", "leave"}[m]
}

// Verifies reports whether signatures are looked at.
func (m Mode) Verifies() bool { return m == Verifies || m == Resigns }

// Mode is what the plan comes to.
func (p *Plan) Mode() Mode {
	signs := len(p.Sign) > 0
	switch {
	case p.Reply.Action != Continue:
		return Ends
	case p.exempt:
		return Exempts
	case p.malformed:
		return Malforms
	case signs && p.Verify:
		return Resigns
	case signs:
		return Signs
	case p.Verify:
		return Verifies
	}
	return LeavesBe
}
