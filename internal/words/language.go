package words

import (
	"fmt"
	"strconv"
	"strings"

	"dojang/internal/keyrecord"
)

// Language is one that everything can be said in.
type Language string

// The languages, by their tags (RFC 5646).
const (
	English Language = "en"
	Korean  Language = "ko"
)

// Say is what stands in a page, in the language.
func (l Language) Say(english, korean string) string {
	if l == Korean {
		return korean
	}
	return english
}

// Sayf is Say with values, by the verbs of package fmt. Both texts have the same values
// in the same order, or by number (%[2]s).
func (l Language) Sayf(english, korean string, values ...any) string {
	return fmt.Sprintf(l.Say(english, korean), values...)
}

// Countf is Sayf for something of which there are n: one is the English text for one,
// which may do without values.
func (l Language) Countf(n int, one, many, korean string, values ...any) string {
	if n == 1 {
		many = one
	}
	if text := l.Say(many, korean); !strings.Contains(text, "%") {
		return text
	}
	return l.Sayf(many, korean, values...)
}

// Count says in English how many of something there are: "1 row", "2 rows".
func Count[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Faults gives faults their Text and Hint.
func (l Language) Faults(list []keyrecord.Fault) {
	for i := range list {
		list[i].Text, list[i].Hint = l.Fault(list[i].Code, list[i].Args)
	}
}

// Fault is Fault in the language.
func (l Language) Fault(code string, args map[string]string) (text, hint string) {
	if say, ok := faultsKorean[code]; ok && l == Korean {
		return say(values(args))
	}
	return Fault(code, args)
}

// ParseLanguage is the language that an Accept-Language header (RFC 9110 §12.5.4) likes
// best; English when it names none of ours.
func ParseLanguage(accept string) Language {
	best, weight := English, 0.0
	for i, part := range strings.SplitN(accept, ",", 20) {
		if i == 19 {
			break // the rest of a list that goes on
		}
		tag, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q="); ok {
			if q, _ = strconv.ParseFloat(value, 64); !(q >= 0 && q <= 1) {
				q = 0
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if l := Language(primary); (l == English || l == Korean) && q > weight {
			best, weight = l, q
		}
	}
	return best
}
