package postfix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// LineOf is the line of a table's file that answers for a key, 0 for none: each is
// tried alone, by Postfix.
func (s *Setup) LineOf(ctx context.Context, table, key string) int {
	path := TableFile(table)
	if path == "" {
		return 0
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	dir, err := os.MkdirTemp("", "dojang-doctor-")
	if err != nil {
		return 0
	}
	defer os.RemoveAll(dir)
	kind, _, _ := strings.Cut(table, ":")
	alone := filepath.Join(dir, "table")
	for i, line := range strings.Split(string(data), "\n") {
		if text := strings.TrimSpace(line); text == "" || strings.HasPrefix(text, "#") || i > maxTableLines {
			continue
		}
		if os.WriteFile(alone, []byte(line+"\n"), 0o600) != nil {
			return 0
		}
		if value, _ := s.Query(ctx, kind+":"+alone, key); value != "" {
			return i + 1
		}
	}
	return 0
}

// CommentOut is the command that takes the line out of a table's file which answers for
// a key; "" where that is not known.
func (s *Setup) CommentOut(ctx context.Context, table, key string) string {
	line := s.LineOf(ctx, table, key)
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("sed -i '%ds/^/#/' %s && %s", line, Quote(TableFile(table)), s.Reload())
}
