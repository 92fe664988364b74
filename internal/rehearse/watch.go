package rehearse

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"

	"dojang/internal/filter"
	"dojang/milter"
)

// Report is what came of one message, or of a step before one.
type Report struct {
	Job         string       `json:"job,omitempty"`  // the MTA's queue ID
	From        string       `json:"from,omitempty"` // of the envelope
	Differences []Difference `json:"differences,omitempty"`
	Log         []string     `json:"log,omitempty"` // what our filter would say of it, where they differ
	// NotCompared says why a message was not, "" when it was.
	NotCompared string `json:"not_compared,omitempty"`
	Step        bool   `json:"step,omitempty"` // a connection or recipient, and no message
}

// Watch takes connections of taps from l until the last one (Half.Stop) or until it is
// closed, has the filter of snapshot decide about the same dialogues, and reports. It
// returns when all of them have ended.
func Watch(l net.Listener, snapshot *filter.Snapshot, report func(Report)) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer conn.Close()
			if watch(conn, snapshot, report) {
				l.Close()
			}
		})
	}
}

// watch follows one connection, and reports whether it is the last.
func watch(r io.Reader, snapshot *filter.Snapshot, report func(Report)) (last bool) {
	w := &watcher{snapshot: snapshot, report: report}
	defer func() {
		if v := recover(); v != nil {
			report(Report{NotCompared: fmt.Sprintf("panic: %.256v\n%.2048s", v, debug.Stack())})
		}
		w.close()
	}()
	in := bufio.NewReader(r)
	var buffer []byte
	for {
		d, data, err := readRecord(in, buffer)
		if err != nil {
			break
		}
		buffer = data
		switch d {
		case fromNobody:
			return true
		case fromMTA:
			err = w.mta.add(data, w.fromMTA)
		default:
			err = w.filter.add(data, w.fromFilter)
		}
		if err != nil {
			w.fail(err)
		}
	}
	if w.message != nil && w.failed == "" {
		w.giveUp("the connection ended before the message did")
	}
	return false
}

// watcher follows the dialogue of one connection.
type watcher struct {
	snapshot    *filter.Snapshot
	report      func(Report)
	mta, filter frames

	offered milter.ActionMask
	agreed  milter.ProtocolMask
	ours    *ours
	failed  string // why our half sees no more of this connection
	due     []byte // commands that the old filter has still to answer
	connect *milter.Answer
	job     string
	message *seen // nil between messages
}

// seen is the message in hand as it passed.
type seen struct {
	from     string
	fields   []string // names, in order
	old      decision
	headerOf bool // its header has begun
	ended    bool // end of header passed
	skipped  bool // the old filter declined the body's rest
	early    bool // it decided before the message's end
}

const maxFieldsSeen = 4096

func (w *watcher) close() {
	if w.ours != nil {
		w.ours.close()
	}
}

// fail ends our half on this connection; what passes from now on is only counted.
func (w *watcher) fail(err error) {
	if w.failed != "" {
		return
	}
	w.failed = err.Error()
	if w.ours != nil {
		w.failed = w.ours.why(err)
	}
	if w.message == nil {
		w.report(Report{NotCompared: "dojang's half failed: " + w.failed, Step: true})
	}
}

func (w *watcher) giveUp(why string) {
	w.report(Report{Job: w.job, From: w.message.from, NotCompared: why})
	w.message = nil
}

// fromMTA takes note of a command, and has our half see it.
func (w *watcher) fromMTA(command byte, data []byte) error {
	switch command {
	case milter.CommandNegotiate:
		w.offered = milter.ActionMask(0x0f)
		if len(data) >= 12 {
			w.offered = milter.ActionMask(binary.BigEndian.Uint32(data[4:]))
		}
		return nil
	case milter.CommandQuit:
		return nil
	case milter.CommandQuitNC, milter.CommandAbort:
		w.due = w.due[:0]
		w.message = nil
	case milter.CommandMacro:
		w.takeJob(data)
	case milter.CommandMail:
		w.due = w.due[:0]
		w.message = &seen{from: firstText(data)}
		if w.ours != nil {
			w.ours.journal.take() // of a message that was given up
		}
	case milter.CommandHeader:
		w.begun()
		w.takeField(data)
	case milter.CommandEndOfHeader:
		w.begun()
		w.message.ended = true
	case milter.CommandConnect, milter.CommandHelo, milter.CommandRcpt, milter.CommandData, milter.CommandBody,
		milter.CommandEndOfMessage, milter.CommandUnknown:
	default:
		return fmt.Errorf("the MTA sends %s, which no filter of this protocol knows", milter.CommandName(command))
	}
	if command == milter.CommandEndOfMessage || w.answered(command) {
		w.due = append(w.due, command)
	}
	if w.ours == nil || w.failed != "" {
		return nil
	}
	return w.tellOurs(command, data)
}

func (w *watcher) tellOurs(command byte, data []byte) error {
	switch command {
	case milter.CommandEndOfMessage: // it is told when the old filter has answered
		if len(data) > 0 {
			return w.ours.tell(milter.CommandBody, data)
		}
		return nil
	case milter.CommandConnect:
		if err := w.ours.tell(command, data); err != nil {
			return err
		}
		answer, err := w.ours.answer()
		if err == nil {
			kept := *answer
			w.connect = &kept
		}
		return err
	}
	return w.ours.tell(command, data)
}

// answered reports whether the old filter answers a command.
func (w *watcher) answered(command byte) bool {
	bits := map[byte]milter.ProtocolMask{
		milter.CommandConnect: milter.NoReplyConnect, milter.CommandHelo: milter.NoReplyHelo, milter.CommandMail: milter.NoReplyMail,
		milter.CommandRcpt: milter.NoReplyRcpt, milter.CommandData: milter.NoReplyData, milter.CommandHeader: milter.NoReplyHeader,
		milter.CommandEndOfHeader: milter.NoReplyEndOfHeader, milter.CommandBody: milter.NoReplyBody, milter.CommandUnknown: milter.NoReplyUnknown,
	}
	bit, isStep := bits[command]
	return isStep && w.agreed&bit == 0
}

func firstText(data []byte) string {
	text, _, _ := bytes.Cut(data, []byte{0})
	return cut(string(text))
}

// takeJob keeps the queue ID among a command's macros.
func (w *watcher) takeJob(data []byte) {
	if len(data) == 0 {
		return
	}
	words := bytes.Split(data[1:], []byte{0})
	for i := 0; i+1 < len(words); i += 2 {
		if name := string(words[i]); name == "i" || name == "{i}" {
			w.job = cut(string(words[i+1]))
		}
	}
}

// begun makes sure that there is a message: MAIL may have been left out by agreement.
func (w *watcher) begun() {
	if w.message == nil {
		w.message = &seen{}
	}
}

func (w *watcher) takeField(data []byte) {
	m := w.message
	m.headerOf = true
	if len(m.fields) < maxFieldsSeen {
		m.fields = append(m.fields, firstText(data))
	}
}

// fromFilter takes note of the old filter's answer.
func (w *watcher) fromFilter(kind byte, data []byte) error {
	if kind == milter.CommandNegotiate && w.ours == nil && w.failed == "" {
		return w.begin(data)
	}
	if kind == milter.ReplyProgress {
		return nil
	}
	edit, is, err := milter.DecodeEdit(kind, data, w.agreed&milter.HeaderLeadingSpace != 0)
	switch {
	case err != nil:
		return fmt.Errorf("the old filter: %w", err)
	case is && w.message != nil:
		w.message.old.edits = append(w.message.old.edits, edit)
		return nil
	case is || len(w.due) == 0:
		return nil
	}
	command := w.due[0]
	w.due = append(w.due[:0], w.due[1:]...)
	return w.decided(command, kind, wordsOf(kind, data))
}

func (w *watcher) begin(data []byte) (err error) {
	if len(data) < 12 {
		return errors.New("the old filter's negotiation is malformed")
	}
	w.agreed = milter.ProtocolMask(binary.BigEndian.Uint32(data[8:]))
	w.ours, err = newOurs(w.snapshot, w.offered, w.agreed)
	return err
}

// wordsOf is an answer in words.
func wordsOf(kind byte, data []byte) string {
	if kind == milter.ReplyCode {
		return cut(string(bytes.ReplaceAll(bytes.TrimRight(data, "\x00"), []byte("%%"), []byte("%"))))
	}
	return (&milter.Answer{Kind: kind}).String()
}

// decided does what follows from the old filter's answer to a command.
func (w *watcher) decided(command, kind byte, reply string) error {
	goesOn := kind == milter.ReplyContinue || kind == milter.ReplySkip
	refuses := kind == milter.ReplyReject || kind == milter.ReplyTempFail || kind == milter.ReplyCode
	switch {
	case command == milter.CommandEndOfMessage:
		return w.finish(kind, reply)
	case kind == milter.ReplySkip:
		if w.message != nil {
			w.message.skipped = true
		}
	case command == milter.CommandConnect:
		w.compareStep(command, kind, reply)
	case goesOn:
	case command == milter.CommandHelo, command == milter.CommandUnknown, command == milter.CommandRcpt && refuses, w.message == nil:
		w.compareStep(command, kind, reply)
	default:
		w.message.early = true
		return w.finish(kind, reply)
	}
	return nil
}

// compareStep compares answers to a step that is none of a message's own; our half
// answers nothing but Continue there, CONNECT excepted.
func (w *watcher) compareStep(command, kind byte, reply string) {
	own := milter.Answer{Kind: milter.ReplyContinue}
	if command == milter.CommandConnect && w.connect != nil {
		own = *w.connect
	}
	if w.ours == nil || w.failed != "" || own.Kind == kind {
		return
	}
	d := Difference{Kind: KindReply, Old: reply + " at " + milter.CommandName(command), New: own.String()}
	d.Cause = "the old filter decides at this step; dojang does so by PeerList alone"
	if w.message != nil {
		w.report(Report{Job: w.job, From: w.message.from, Differences: []Difference{d}, Step: true})
		return
	}
	w.report(Report{Differences: []Difference{d}, Step: true})
}

// finish compares what the two filters decided about the message.
func (w *watcher) finish(kind byte, reply string) error {
	m := w.message
	if m == nil {
		return nil
	}
	m.old.kind, m.old.reply = kind, reply
	switch {
	case w.failed != "" || w.ours == nil:
		w.giveUp("dojang's half failed: " + w.failed)
		return nil
	case m.early && !m.headerOf && !m.ended:
		w.giveUp("the old filter answered " + reply + " before the header")
		return nil
	case m.early && !m.ended && w.agreed&milter.NoEndOfHeader == 0:
		if err := w.ours.tell(milter.CommandEndOfHeader, nil); err != nil {
			return err
		}
	}
	own, err := w.ours.end()
	if err != nil {
		w.fail(err)
		w.giveUp("dojang's half failed: " + w.failed)
		return nil
	}
	entries := w.ours.journal.take()
	r := Report{Job: w.job, From: m.from, Differences: compare(m, own, entries)}
	if len(r.Differences) > 0 {
		for _, e := range entries {
			r.Log = append(r.Log, e.text)
		}
	}
	w.message = nil
	w.report(r)
	return nil
}
