package filter

import (
	"dojang/internal/event"
	"dojang/internal/policy"
	"dojang/milter"
)

// apply tells the MTA the edits of an outcome, in their order: policy has put
// deletions from the back to the front and before insertions.
func apply(e *milter.Edits, o *policy.Outcome) error {
	for _, edit := range o.Edits {
		if err := applyOne(e, edit); err != nil {
			return err
		}
	}
	if o.Quarantine != "" {
		return e.Quarantine(o.Quarantine)
	}
	return nil
}

func applyOne(e *milter.Edits, edit policy.Edit) error {
	switch edit.Op {
	case policy.InsertField:
		return e.InsertHeader(edit.Index, edit.Name, edit.Value)
	case policy.AppendField:
		return e.AddHeader(edit.Name, edit.Value)
	case policy.ChangeField:
		return e.ChangeHeader(edit.Index, edit.Name, edit.Value)
	case policy.DeleteField:
		return e.DeleteHeader(edit.Index, edit.Name)
	case policy.AddRecipient:
		return e.AddRcpt(edit.Value)
	case policy.DeleteRecipient:
		return e.DelRcpt(edit.Value)
	}
	return nil
}

// editsFailed answers a message whose edits the MTA did not agree to.
func (s *session) editsFailed(err error) policy.Reply {
	s.message.Tell(policy.Note{Event: event.EditsFailed(err)})
	return s.snapshot.Rules.Verdicts.InternalError()
}

// response turns a reply into the protocol's. A quarantine is an edit. Compat(opendkim
// 2.11): what is let pass is accepted.
func response(r policy.Reply) milter.Response {
	if r.Code != 0 {
		return milter.Reply(r.Code, r.Status, r.Text)
	}
	switch r.Action {
	case policy.Discard:
		return milter.Discard
	case policy.Reject:
		return milter.Reject
	case policy.TempFail:
		return milter.TempFail
	case policy.Accept, policy.Quarantine, policy.Continue:
	}
	return milter.Accept
}
