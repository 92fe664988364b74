package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/web/html"
)

// seal is the mark of dojang: a stamped square.
func seal() html.Node {
	return html.El("svg", html.Class("seal"), html.A("viewBox", "0 0 24 24"), html.A("width", "24"), html.A("height", "24"),
		html.A("aria-hidden", "true"),
		html.El("path", html.A("d", "M3 5a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM7 12.4l3.4 3.4L17 9.2")))
}

// plotLine is one line of a plot.
type plotLine struct {
	name   string
	class  string
	values []uint32
}

// The plot's size, in its own units.
const (
	plotWidth, plotHeight = 720, 180
	plotLeft, plotBottom  = 44, 24
	plotTop               = 12
)

// plot draws lines over time; labels stand below, evenly.
func plot(title string, lines []plotLine, labels []string) html.Node {
	most := uint32(1)
	for _, l := range lines {
		for _, v := range l.values {
			most = max(most, v)
		}
	}
	most = roundNumber(most)
	y := func(v uint32) float64 {
		return plotTop + (plotHeight-plotTop-plotBottom)*(1-float64(v)/float64(most))
	}
	parts := []any{html.Class("plot"), html.A("viewBox", fmt.Sprintf("0 0 %d %d", plotWidth, plotHeight)),
		html.A("role", "img"), html.A("aria-label", title)}
	for _, v := range []uint32{0, most / 2, most} {
		if v == 0 || v != most/2 || most > 1 {
			at := number(y(v))
			parts = append(parts, html.El("line", html.Class("grid"), html.A("x1", strconv.Itoa(plotLeft)),
				html.A("x2", strconv.Itoa(plotWidth)), html.A("y1", at), html.A("y2", at)),
				html.El("text", html.A("x", strconv.Itoa(plotLeft-8)), html.A("y", number(y(v)+4)),
					html.A("text-anchor", "end"), strconv.Itoa(int(v))))
		}
	}
	for i, label := range labels {
		x := plotLeft + float64(plotWidth-plotLeft)*float64(i)/float64(max(1, len(labels)-1))
		anchor, class := "middle", "between"
		switch i {
		case 0:
			anchor, class = "start", ""
		case len(labels) - 1:
			anchor, class = "end", ""
		}
		parts = append(parts, html.El("text", html.Class(class), html.A("x", number(x)),
			html.A("y", strconv.Itoa(plotHeight-6)), html.A("text-anchor", anchor), label))
	}
	for _, l := range lines {
		if slices.Max(append([]uint32{0}, l.values...)) == 0 {
			continue // it would hide others' foot
		}
		var points []string
		for i, v := range l.values {
			x := plotLeft + float64(plotWidth-plotLeft)*float64(i)/float64(max(1, len(l.values)-1))
			points = append(points, number(x)+","+number(y(v)))
		}
		parts = append(parts, html.El("polyline", html.Class(l.class), html.A("points", strings.Join(points, " "))))
	}
	return html.El("svg", parts...)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// roundNumber is the least of 1, 2, 5, 10, 20, ... (but 1 becomes 2) that is not below n.
func roundNumber(n uint32) uint32 {
	for step := uint32(1); step <= 1e9; step *= 10 {
		for _, f := range []uint32{2, 4, 10} {
			if f*step >= n {
				return f * step
			}
		}
	}
	return n
}
