package postfix

import (
	"slices"
	"strings"
)

// Rule is a rule of a table of patterns (regexp_table(5), pcre_table(5)).
type Rule struct {
	First, Last int    // its lines, from 1; 0 in a parameter itself
	Action      string // the first word of what it answers, in capitals
}

// Rules are the rules of a table, as it is written; nil for a table of another type, or
// one that cannot be read.
func Rules(table string) (rules []Rule) {
	if kind, _, _ := strings.Cut(direct(table), ":"); kind != "regexp" && kind != "pcre" {
		return nil
	}
	list := entriesOf(TableFile(table))
	if isInline(table) {
		for _, text := range inlineEntries(table) {
			list = append(list, entry{text: strings.Trim(text, "{} ")})
		}
	}
	for _, e := range list {
		if action := actionOf(e.text); action != "" {
			rules = append(rules, Rule{e.first, e.last, action})
		}
	}
	return rules
}

// actionOf is the action of one rule, /pattern/flags action, in capitals; "" for what is
// none (if, endif). Both kinds of tables take any mark for the slash, and ! before it.
func actionOf(rule string) string {
	rule = strings.TrimLeft(rule, "! \t")
	if rule == "" || isAlphanumeric(rule[0]) {
		return ""
	}
	mark := rule[0]
	for i := 1; i < len(rule); i++ {
		switch rule[i] {
		case '\\':
			i++
		case mark:
			after := strings.TrimLeftFunc(rule[i+1:], func(c rune) bool { return c < 0x80 && isAlphanumeric(byte(c)) })
			if strings.HasPrefix(after, "!") { // a second pattern, which must not match
				return actionOf(after)
			}
			if words := strings.Fields(after); len(words) > 0 {
				return strings.ToUpper(words[0])
			}
			return ""
		}
	}
	return ""
}

func isAlphanumeric(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// TakeOutRules is the command that takes rules out of a table; svc and parameter say
// where the table is named.
func (s *Setup) TakeOutRules(svc *Service, parameter, table string, rules []Rule) string {
	if isInline(table) {
		return s.takeInline(svc, parameter, table, func(one string) bool {
			return slices.ContainsFunc(Rules(one), func(r Rule) bool { return slices.Contains(rules, r) })
		})
	}
	var list []entry
	for _, r := range rules {
		list = append(list, entry{first: r.First, last: r.Last})
	}
	return s.commentOut(table, list)
}
