package explain

import (
	"mime"
	"slices"
	"strings"
)

// mimeType: quotes around parameters, their case, blanks between them; a type that a list
// or a gateway wrote anew.
func (h *headerSearch) mimeType(n *namedFields, at int) {
	value := unfold(valueOf(n.now[at]))
	add := func(cost int, was string) {
		h.lay(n, at, was, fieldEdit{code: CodeRewritten, cost: cost, args: wasIs(was, value)})
	}
	for _, inner := range h.innerFields(n.name) {
		add(1, inner)
	}
	kind, params, _ := mime.ParseMediaType(value) // of one that is wrong, its quotes
	unquoted := strings.ReplaceAll(value, `"`, "")
	for i, form := range []string{value, unquoted, bareParam.ReplaceAllString(unquoted, `="$1"`)} {
		add(1, form)
		add(2, strings.ReplaceAll(form, "; ", ";"))
		add(2, strings.ReplaceAll(strings.ReplaceAll(form, "; ", ";"), ";", "; "))
		for _, charset := range charsetNames {
			if has := params["charset"]; has != "" && strings.HasPrefix(kind, "text/") {
				add(2+min(i, 1), strings.Replace(form, has, charset, 1))
			}
		}
	}
	for _, order := range paramOrders(value) {
		add(2, order)
	}
	if strings.HasPrefix(kind, "text/") {
		for _, params := range textParams {
			add(2, kind+params)
		}
	}
}

// textParams are those that most types of text have.
var textParams = []string{"; charset=utf-8", `; charset="utf-8"`, "; charset=UTF-8", `; charset="UTF-8"`, "; charset=us-ascii", "",
	"; charset=utf-8; format=flowed", `; charset="us-ascii"`, "; charset=UTF-8; format=flowed", "; charset=us-ascii; format=flowed"}

// paramOrders are a type with its few parameters in another order, and without one of them.
func paramOrders(value string) []string {
	const few = 4
	params := strings.Split(value, ";")
	kind := params[0]
	if params = params[1:]; len(params) == 0 || len(params) > few {
		return nil
	}
	for i := range params {
		params[i] = strings.TrimSpace(params[i])
	}
	var all []string
	write := func(params []string) { all = append(all, strings.Join(slices.Concat([]string{kind}, params), "; ")) }
	for i := range params {
		write(slices.Concat(params[:i], params[i+1:]))
	}
	permuted(params, write)
	return all
}

// innerFields are the values of a MIME field in the headers of the message's parts: a list
// that wraps a message moves its type there.
func (h *headerSearch) innerFields(name string) []string {
	var found []string
	for _, e := range entities(h.fields, h.body, 2) {
		if value := fieldOf(h.body, e.part, name); value != "" && len(found) < 4 {
			found = append(found, value)
		}
	}
	return found
}
