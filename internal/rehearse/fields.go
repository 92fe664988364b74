package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/milter"
)

// oneLine is a field's value without its folds.
func oneLine(value string) string { return strings.Join(strings.Fields(value), " ") }

// isCompared reports whether another comparison looks at what a field says.
func isCompared(name string) bool {
	return strings.EqualFold(name, dkim.FieldName) || strings.EqualFold(name, resultsField)
}

// place is where a field goes.
func place(e milter.Edit) string {
	if e.Kind == milter.ReplyAddHeader {
		return "behind all others"
	}
	return fmt.Sprintf("before field %d", e.Index)
}

// fieldsOf lists a filter's edits of the header: fields added, fields changed or
// removed, and the places of those that are added.
func fieldsOf(d *decision) (added, removed, places []string) {
	for _, e := range d.edits {
		switch e.Kind {
		case milter.ReplyAddHeader, milter.ReplyInsertHeader:
			places = append(places, e.Name+" "+place(e))
			if !isCompared(e.Name) {
				added = append(added, e.Name+": "+oneLine(e.Value))
			}
		case milter.ReplyChangeHeader:
			what := fmt.Sprintf("%s, the %d.", strings.ToLower(e.Name), e.Index)
			if e.Value != "" {
				what += ", becomes " + oneLine(e.Value)
			}
			removed = append(removed, what)
		}
	}
	slices.Sort(removed)
	return added, removed, places
}

// fields compares the other edits of the header.
func (c *comparison) fields() {
	oldAdded, oldRemoved, oldPlaces := fieldsOf(c.old)
	ownAdded, ownRemoved, ownPlaces := fieldsOf(c.own)
	if old, own := without(oldRemoved, ownRemoved), without(ownRemoved, oldRemoved); len(old) > 0 || len(own) > 0 {
		c.differ(KindRemoved, strings.Join(old, "; "), strings.Join(own, "; "),
			"RemoveOldSignatures, RemoveARAll, RemoveARFrom, RemoveARMethods and AuthservID decide what is removed")
	}
	if old, own := without(oldAdded, ownAdded), without(ownAdded, oldAdded); len(old) > 0 || len(own) > 0 {
		c.differ(KindAdded, strings.Join(old, "; "), strings.Join(own, "; "), causeOfField(append(old, own...)))
	}
	if len(c.found) == 0 && !slices.Equal(oldPlaces, ownPlaces) {
		c.differ(KindPlace, strings.Join(oldPlaces, "; "), strings.Join(ownPlaces, "; "), "the order in which fields are put")
	}
}

func causeOfField(lines []string) string {
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		switch {
		case strings.EqualFold(name, "DKIM-Filter"):
			return "SoftwareHeader, which names the software"
		case strings.HasPrefix(strings.ToLower(name), "x-"), strings.HasPrefix(strings.ToLower(name), "vbr"):
			return "scripts, VBR and reputation add fields of their own"
		}
	}
	return "the old filter does more than DKIM, or dojang's scripts do"
}
