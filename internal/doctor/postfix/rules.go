package postfix

import (
	"fmt"
	"os"
	"strings"
)

// Rule is a rule of a table of patterns (regexp_table(5), pcre_table(5)).
type Rule struct {
	First, Last int    // its lines, from 1
	Action      string // the first word of what it answers, in capitals
}

// Rules are the rules of a table's file, as it is written; nil for a table of another
// type, or one that cannot be read.
func Rules(table string) (rules []Rule) {
	path := TableFile(table)
	if kind, _, _ := strings.Cut(table, ":"); path == "" || kind != "regexp" && kind != "pcre" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	text, first, last := "", 0, 0
	end := func() {
		if action := actionOf(text); action != "" {
			rules = append(rules, Rule{first, last, action})
		}
		text = ""
	}
	for i, line := range strings.Split(string(data), "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case line != strings.TrimLeft(line, " \t") && text != "": // the line before goes on
			text, last = text+" "+trimmed, i+1
		default:
			end()
			text, first, last = trimmed, i+1, i+1
		}
	}
	end()
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

// CommentOutRules is the command that takes rules out of a table's file.
func (s *Setup) CommentOutRules(table string, rules []Rule) string {
	var edits []string
	for _, r := range rules {
		edits = append(edits, fmt.Sprintf("%d,%ds/^/#/", r.First, r.Last))
	}
	return "sed -i " + Quote(strings.Join(edits, ";")) + " " + Quote(TableFile(table)) + " && " + s.Reload()
}
