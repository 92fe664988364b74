package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/explain"
	"dojang/internal/keycheck"
	"dojang/internal/web/html"
)

// searchTime bounds the search for causes in one message.
const searchTime = 5 * time.Second

// story is what is told of a message.
type story struct {
	Messages   int                 `json:"messages"`              // that were sent: more than one in a mailbox file, of which this is the first
	Arrived    *time.Time          `json:"arrived,omitempty"`     // by Received: signatures are judged by that time
	HeaderOnly bool                `json:"header_only,omitempty"` // there is no body, so nothing is said of it
	Signatures []explain.Signature `json:"signatures"`

	reasons []dkim.Reason // of Signatures
}

func (s *Server) explainForm(q *request) {
	if q.api {
		q.methodNotAllowed(http.MethodPost)
		return
	}
	q.page(http.StatusOK, q.explainTitle(), q.explainLead(), html.Group{q.explainBox()})
}

func (q *request) explainTitle() string {
	return q.lang.Say("Why did this message fail?", "이 메일은 왜 검증에 실패했나요?")
}

func (q *request) explainLead() string {
	return q.lang.Say("The message is checked in memory and forgotten: nothing is kept, logged or sent on.",
		"메일은 메모리에서만 확인한 뒤 지웁니다. 저장하거나 로그에 남기거나 다른 곳으로 보내지 않습니다.")
}

func (s *Server) explainAPI(q *request) {
	message, leave, ok := q.readMessage()
	if !ok {
		return
	}
	defer leave()
	story, err := s.tell(q.r.Context(), message)
	leave() // whoever reads slowly keeps nobody out
	if err != nil {
		q.fail(http.StatusBadRequest, q.noMessage())
		return
	}
	q.json(story)
}

func (s *Server) explainPage(q *request) {
	if q.api {
		s.explainAPI(q)
		return
	}
	message, leave, ok := q.readMessage()
	if !ok {
		return
	}
	defer leave()
	if _, _, _, err := explain.Parse(message); err != nil {
		leave()
		q.page(http.StatusBadRequest, q.explainTitle(), q.explainLead(), html.Group{answer(bad, q.noMessage()), q.explainBox()})
		return
	}
	wait := q.lang.Say("Asking for the keys and looking for the edit …", "키를 조회하고 바뀐 곳을 찾는 중…")
	q.slowly(q.explainTitle(), q.explainLead(), nil, wait, func() html.Group {
		defer leave()
		story, err := s.tell(q.r.Context(), message)
		if err != nil {
			return html.Group{answer(bad, q.noMessage()), q.explainBox()}
		}
		return append(q.storied(story), more(q.lang.Say("Another message", "다른 메일"), q.explainBox()))
	})
}

func (q *request) noMessage() string {
	return q.lang.Say("That is no message: it does not begin with header fields. Take its whole source.",
		"메일이 아닙니다. 헤더 필드로 시작하지 않습니다. 원문 전체를 넣으세요.")
}

// readMessage reads a message into memory, and then takes a place to explain it, or
// answers that it cannot be had. leave gives back the place and the memory.
func (q *request) readMessage() (message []byte, leave func(), ok bool) {
	who := ""
	if q.isStranger() {
		who = neighbourhood(q.client)
		if wait, ok := q.s.limits.take("e "+who, explainMinute); !ok {
			q.tooMany(wait)
			return nil, nil, false
		}
	}
	if q.r.ContentLength > q.s.o.MaxMessage+maxForm {
		q.tooLarge(nil)
		return nil, nil, false
	}
	up, err := q.s.limits.uploads.begin(q.w, q.r, who)
	if err != nil {
		q.tooMany(searchTime)
		return nil, nil, false
	}
	message, ok = q.received(up)
	if !ok {
		up.end()
		return nil, nil, false
	}
	place, ok := await(q.r.Context(), q.s.limits.explains, placeTime)
	if !ok {
		up.end()
		q.tooMany(searchTime)
		return nil, nil, false
	}
	return message, sync.OnceFunc(func() { place(); up.end() }), true
}

// received is the message of a form or of the API; otherwise it is answered why there is none.
func (q *request) received(up *upload) (message []byte, ok bool) {
	most := q.s.o.MaxMessage
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, most+maxForm)
	kind, parameters, _ := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	var err error
	if kind == "multipart/form-data" {
		message, err = fromForm(multipart.NewReader(q.r.Body, parameters["boundary"]), most)
	} else {
		message, err = readAll(q.r.Body, most)
	}
	up.done()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), errors.Is(err, errTooLarge):
		q.tooLarge(up)
	case errors.Is(err, errBusy):
		q.w.Header().Set("Connection", "close")
		q.tooMany(searchTime)
	case errors.Is(err, errSlow):
		q.w.Header().Set("Connection", "close")
		q.fail(http.StatusRequestTimeout, q.lang.Say("The message came too slowly. dojang explain looks at it on the "+
			"server.", "메일이 너무 느리게 전송되었습니다. 서버에서 dojang explain으로 확인하세요."))
	case err != nil:
		q.fail(http.StatusBadRequest, q.lang.Say("The form cannot be read.", "양식을 읽을 수 없습니다."))
	case len(bytes.TrimSpace(message)) == 0:
		q.fail(http.StatusBadRequest, q.lang.Say("Nothing was sent: choose a file, or paste the message's source.",
			"받은 내용이 없습니다. 파일을 선택하거나 메일 원문을 붙여 넣으세요."))
	case holdsKeyAlone(message):
		q.fail(http.StatusBadRequest, refusal(q.lang, errPrivateKey))
	default:
		return message, true
	}
	return nil, false
}

// maxForm is what a form may have besides the message.
const maxForm = 64 << 10

var errTooLarge = errors.New("too large")

// tooLarge answers that a message is too large, when it has gone by: a browser shows no
// answer before it has sent all.
func (q *request) tooLarge(up *upload) {
	if up != nil {
		up.forget()
	}
	_, _ = io.CopyN(io.Discard, q.r.Body, 8*q.s.o.MaxMessage) // its error is that of the request
	q.w.Header().Set("Connection", "close")
	q.fail(http.StatusRequestEntityTooLarge, q.lang.Sayf("The message is too large: at most %d MiB are looked at here. dojang "+
		"explain looks at larger ones.", "메일이 너무 큽니다. 여기서는 %d MiB까지만 확인합니다. 더 큰 메일은 dojang explain으로 확인하세요.", max(1, q.s.o.MaxMessage>>20)))
}

// readAll reads all there is, unless it is more than most.
func readAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLarge
	}
	return data, err
}

// fromForm is the file of a form, or else its text. Nothing goes to a disk.
func fromForm(form *multipart.Reader, most int64) (message []byte, err error) {
	for range 8 {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return message, nil
		}
		if err != nil {
			return nil, err
		}
		name := part.FormName()
		if name != "file" && name != "message" {
			continue
		}
		data, err := readAll(part, most)
		if err != nil {
			return nil, err
		}
		if len(data) > 0 && (message == nil || name == "file") {
			message = data
		}
	}
	return nil, errors.New("too many parts")
}

// holdsKeyAlone reports whether what was sent is a private key and no message.
func holdsKeyAlone(message []byte) bool {
	if len(message) > maxPaste {
		return false
	}
	fields, _, err := header.Parse(message)
	return (err != nil || fields.Count("From") == 0) && keycheck.HoldsPrivateKey(string(message))
}

// tell finds out what there is to tell of a message.
func (s *Server) tell(ctx context.Context, message []byte) (story, error) {
	fields, body, messages, err := explain.Parse(message)
	if err != nil {
		return story{}, err
	}
	out := story{Messages: messages}
	now := s.o.Now()
	at := explain.Arrival(fields, now)
	if !at.Equal(now) {
		out.Arrived = &at
	}
	results := explain.Judged(s.o.Verify(ctx, at, fields, body))
	out.HeaderOnly = len(bytes.TrimSpace(body)) == 0 && !slices.ContainsFunc(results, func(r dkim.Result) bool { return r.BodyOK })
	search, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	out.Signatures = explain.Signatures(search, fields, body, results, now)
	for i := range results {
		out.reasons = append(out.reasons, results[i].Reason)
	}
	return out, nil
}
