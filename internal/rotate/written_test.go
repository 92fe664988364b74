package rotate

import (
	"os"
	"strings"
	"testing"
)

// However a row is written, its selector and path change, and nothing else in it; of an
// algorithm, what the new key needs.
func TestRowsAsWritten(t *testing.T) {
	for _, c := range []struct{ settings, row, want string }{
		{"", "k\ta.example:old:DIR/a.private # ours", "k\ta.example:NEW # ours"},
		{"", "k a.example.:old:DIR/a.private", "k a.example.:NEW"},
		{"", "k a.example:OLD:DIR/a.private", "k a.example:NEW"},
		{"", "k a.example:old:DIR/a.private:", "k a.example:NEW:"},
		{"", "k a.example:old:DIR/a.private: ", "k a.example:NEW: "},
		{"", "k a.example:old:DIR/a.private:ed25519-sha256", "k a.example:NEW:ed25519-sha256"},
		{"", "k a.example:old:DIR/a.private:Ed25519-SHA256", "k a.example:NEW:Ed25519-SHA256"},
		{"", "k a.example:old:DIR/a:b.private", "k a.example:NEW"},
		{"KeyTypes rsa2048\n", "k a.example:old:DIR/a.private:ed25519-sha256", "k a.example:NEW:rsa-sha256"},
		{"KeyTypes rsa2048\n", "k a.example:old:DIR/a.private", "k a.example:NEW"},
		{"", "k a.example:old:DIR/a.private\nk a.example:old:DIR/a.private", "k a.example:NEW\nk a.example:NEW"},
	} {
		t.Run(c.row, func(t *testing.T) {
			w := newWorld(t, c.settings+"Zone * p\n", c.row+"\n")
			w.adopt()
			if !w.through(1) {
				t.Errorf("it does not end: %s", w.states())
			}
			table, _ := os.ReadFile(w.table)
			want := strings.ReplaceAll(c.want, "NEW", "20261129:"+w.dir+"/a.example.20261129.private") + "\n"
			if string(table) != want {
				t.Errorf("%q, want %q", table, want)
			}
			w.finish()
		})
	}
}
