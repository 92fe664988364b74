package explain

import (
	"net/mail"
	"time"
)

// zones are those that programs name behind the time, east of Greenwich by minutes.
var zones = []struct {
	name    string
	minutes int
}{
	{"UTC", 0}, {"GMT", 0}, {"CET", 60}, {"BST", 60}, {"CEST", 120}, {"EET", 120}, {"EEST", 180}, {"MSK", 180}, {"IST", 330},
	{"CST", 480}, {"KST", 540}, {"JST", 540}, {"AEST", 600}, {"AEDT", 660}, {"NZST", 720}, {"NZDT", 780},
	{"ADT", -180}, {"EDT", -240}, {"EST", -300}, {"CDT", -300}, {"CST", -360}, {"MDT", -360}, {"MST", -420}, {"PDT", -420}, {"PST", -480},
}

// date: another way to write the same time.
func (h *headerSearch) date(n *namedFields, at int) {
	t, err := mail.ParseDate(unfold(valueOf(n.now[at])))
	if err != nil {
		return
	}
	add := func(cost int, layout string, t time.Time) {
		was := t.Format(layout)
		h.replace(n, at, " "+was, fieldEdit{code: CodeDate, cost: cost, args: args("was", was)})
	}
	for _, layout := range []string{
		"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 GMT",
		"2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 06 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04 -0700",
	} {
		add(2, layout, t)
		add(2, layout, t.UTC())
		for quarters := -48; quarters <= 56; quarters += 2 { // of an hour: Exchange writes UTC
			add(4, layout, t.In(time.FixedZone("", quarters*900)))
		}
	}
	_, offset := t.Zone()
	for _, z := range zones {
		cost := 2
		if z.minutes*60 != offset {
			cost = 4
		}
		named := t.In(time.FixedZone(z.name, z.minutes*60))
		add(cost, "Mon, 2 Jan 2006 15:04:05 -0700 (MST)", named)
		add(cost, "Mon, 02 Jan 2006 15:04:05 -0700 (MST)", named)
	}
}
