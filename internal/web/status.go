package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"dojang/internal/status"
)

// overview is what /status tells, in the words of `dojang status --json`.
type overview struct {
	Server  status.Server   `json:"server"`
	Domains []status.Domain `json:"domains"`
}

var errNoFilter = errors.New("no socket is known")

// filter asks the filter, within bounds, and answers for it when it is silent.
func (q *request) filter(ask func(context.Context, *status.Client) error) bool {
	ctx, cancel := context.WithTimeout(q.r.Context(), filterTime)
	defer cancel()
	err := errNoFilter
	if c := q.s.o.Filter; c != nil {
		err = ask(ctx, c)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, status.ErrNotFound):
		q.fail(http.StatusNotFound, q.lang.Say("The filter does not know it.", "필터에 그런 항목이 없습니다."))
	default:
		q.fail(http.StatusBadGateway, q.lang.Sayf("The filter does not answer: %s. Is it running, and does opendkim.conf have "+
			"StatusSocket?", "필터가 응답하지 않습니다: %s. 필터가 실행 중인지, opendkim.conf에 StatusSocket이 있는지 확인하세요.", cut(err.Error(), 200)))
	}
	return false
}

func (s *Server) statusAPI(q *request) {
	var o overview
	if q.filter(o.ask) {
		q.json(o)
	}
}

func (o *overview) ask(ctx context.Context, c *status.Client) (err error) {
	if o.Server, err = c.Server(ctx); err != nil {
		return err
	}
	o.Domains, err = c.Domains(ctx)
	return err
}

// parameter is a number of the address, def without one; bounded.
func (q *request) parameter(name string, def, most int) (n int, ok bool) {
	text := q.r.URL.Query().Get(name)
	if text == "" {
		return def, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.fail(http.StatusBadRequest, q.lang.Sayf("%s is a number from 1 to %d.", "%s 값은 1부터 %d까지의 수입니다.", name, most))
		return 0, false
	}
	return n, true
}

func (s *Server) messagesAPI(q *request) {
	v := q.r.URL.Query()
	n, ok := q.parameter("n", 50, 1000)
	if !ok {
		return
	}
	result := status.Result(v.Get("result"))
	switch result {
	case "", status.Signed, status.Unsigned, status.Pass, status.Fail, status.None:
	default:
		q.fail(http.StatusBadRequest, q.lang.Say("result is signed, unsigned, pass, fail or none.",
			"result는 signed, unsigned, pass, fail, none 중 하나입니다."))
		return
	}
	var rows []status.Message
	if q.filter(func(ctx context.Context, c *status.Client) (err error) {
		rows, err = c.Messages(ctx, v.Get("q"), v.Get("domain"), result, n)
		return err
	}) {
		q.json(rows)
	}
}

func (s *Server) seriesAPI(q *request) {
	v := q.r.URL.Query()
	span := v.Get("range")
	if span == "" {
		span = "2d"
	}
	if !isRange(span) {
		q.fail(http.StatusBadRequest, q.lang.Say("range is hour, 2d or 90d.", "range는 hour, 2d, 90d 중 하나입니다."))
		return
	}
	var series status.Series
	if q.filter(func(ctx context.Context, c *status.Client) (err error) {
		series, err = c.Series(ctx, v.Get("domain"), span)
		return err
	}) {
		q.json(series)
	}
}

func isRange(span string) bool { return span == "hour" || span == "2d" || span == "90d" }
