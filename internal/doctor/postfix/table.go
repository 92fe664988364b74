package postfix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxTableLines bounds the lines that are tried one by one.
const maxTableLines = 500

// lookup is the value of a parameter that is not among parameters: one of the
// administrator's own.
func (s *Setup) lookup(name string) string {
	out, err := s.postconf(context.Background(), "-h", name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// direct is a lookup table without proxy:, which has another process read it.
func direct(table string) string { return strings.TrimPrefix(table, "proxy:") }

// TableFile is the text file of a lookup table, "" for a table that has none.
func TableFile(table string) string {
	path, _, _ := source(table)
	return path
}

// source is the text file of a lookup table, the type by which Postfix reads it as text,
// and whether an index is made of it by postmap(1).
func source(table string) (path, kind string, indexed bool) {
	kind, path, _ = strings.Cut(direct(table), ":")
	if !filepath.IsAbs(path) {
		return "", "", false
	}
	switch kind {
	case "cidr", "pcre", "regexp", "texthash":
		return path, kind, false
	case "hash", "btree", "lmdb", "cdb", "dbm", "sdbm":
		return path, "texthash", true
	}
	return "", "", false
}

// entry is a rule or a row of a table as it is written: a line, and those that go on
// with it.
type entry struct {
	first, last int // its lines, from 1
	text        string
}

// entriesOf are those of a table's file; nil where it cannot be read.
func entriesOf(path string) (list []entry) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for i, line := range strings.Split(string(data), "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case line != strings.TrimLeft(line, " \t") && len(list) > 0:
			e := &list[len(list)-1]
			e.text, e.last = e.text+" "+trimmed, i+1
		default:
			list = append(list, entry{i + 1, i + 1, trimmed})
		}
	}
	return list
}

// commentOut is the command that takes entries out of a table's file.
func (s *Setup) commentOut(table string, list []entry) string {
	path, _, indexed := source(table)
	if path == "" || len(list) == 0 {
		return ""
	}
	var edits []string
	for _, e := range list {
		edits = append(edits, fmt.Sprintf("%d,%ds/^/#/", e.first, e.last))
	}
	command := "sed -i " + Quote(strings.Join(edits, ";")) + " " + Quote(path) + " && "
	if indexed {
		command += s.program("postmap") + Quote(direct(table)) + " && "
	}
	return command + s.Reload()
}

// answering is the entry of a table's file that answers for a key: each is tried alone,
// by Postfix.
func (s *Setup) answering(ctx context.Context, table, key string) []entry {
	path, kind, _ := source(table)
	list := entriesOf(path)
	if path == "" || len(list) > maxTableLines && kind != "texthash" {
		return nil
	}
	dir, err := os.MkdirTemp("", "dojang-doctor-")
	if err != nil {
		return nil
	}
	defer os.RemoveAll(dir)
	alone := filepath.Join(dir, "table")
	for _, e := range list {
		if word, _, _ := strings.Cut(e.text, " "); kind == "texthash" && !strings.EqualFold(strings.Trim(word, "\t"), key) {
			continue
		}
		if os.WriteFile(alone, []byte(e.text+"\n"), 0o600) != nil {
			return nil
		}
		if value, _ := s.Query(ctx, kind+":"+alone, key); value != "" {
			return []entry{e}
		}
	}
	return nil
}

// TakeOut is the command that takes out of a table what answers for a key; svc and
// parameter say where the table is named. "" where that is not known.
func (s *Setup) TakeOut(ctx context.Context, svc *Service, parameter, table, key string) string {
	if isInline(table) {
		return s.takeInline(svc, parameter, table, func(one string) bool {
			value, _ := s.Query(ctx, one, key)
			return value != ""
		})
	}
	return s.commentOut(table, s.answering(ctx, table, key))
}

// isInline reports whether a table stands in the parameter itself.
func isInline(table string) bool {
	kind, name, _ := strings.Cut(direct(table), ":")
	return kind == "static" || strings.HasPrefix(name, "{")
}

// takeInline is the command that takes out of a parameter the entries of an inline table
// that drop picks, each as a table of its own.
func (s *Setup) takeInline(svc *Service, parameter, table string, drop func(one string) bool) string {
	p := s.placeOf(svc, parameter)
	raw, rawErr := split(p.raw)
	members, err := split(s.ValueOf(svc, parameter))
	i := slices.Index(members, table)
	if rawErr != nil || err != nil || i < 0 || len(raw) != len(members) {
		return "" // what a variable holds
	}
	kind, _, _ := strings.Cut(raw[i], "{")
	kept := []string{}
	written, shown := inlineEntries(raw[i]), inlineEntries(table)
	if len(written) != len(shown) {
		return ""
	}
	for j := range shown {
		if !drop(kind + "{" + shown[j] + "}") {
			kept = append(kept, written[j])
		}
	}
	if len(kept) > 0 {
		raw[i] = kind + "{" + strings.Join(kept, ", ") + "}"
	} else {
		raw = slices.Delete(raw, i, i+1)
	}
	if len(raw) == 0 {
		return s.Unset(svc, parameter)
	}
	return s.set(p, strings.Join(raw, ", "))
}

// inlineEntries are those of an inline table; none of static:.
func inlineEntries(table string) []string {
	_, inner, _ := strings.Cut(table, "{")
	return Members(strings.TrimSuffix(strings.TrimSpace(inner), "}"))
}

// ValueOf is what a parameter of a service is, nil for main.cf.
func (s *Setup) ValueOf(svc *Service, name string) string {
	if svc != nil {
		return svc.Set[name]
	}
	return s.Main[name]
}
