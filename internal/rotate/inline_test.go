package rotate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"dojang/internal/keystore"
)

// newInline is a world whose one key stands in its row, wrapped when there is an identity.
func newInline(t *testing.T, identity *age.X25519Identity) *world {
	w := newWorld(t, "Zone * p\nInterval 1d\n", "")
	w.key("i.example", "old", w.dir+"/i.private")
	data := must(os.ReadFile(w.dir + "/i.private"))
	column := keystore.Column(data)
	if identity != nil {
		path := w.write("identity", identity.String()+"\n")
		w.recipients = must(keystore.Recipients(path))
		w.keyOf = must(keystore.ToolOptions(path))
		column = must(keystore.Wrap(data, w.recipients...))
	}
	w.write("KeyTable", "ki i.example:old:"+column+" # inline\n")
	if err := os.Remove(w.dir + "/i.private"); err != nil {
		t.Fatal(err)
	}
	for _, f := range w.filters {
		f.read()
	}
	w.adopt()
	return w
}

// A key that stands in its row changes there; wrapped ones stay wrapped for the same, and
// no copy is left.
func TestInlineKeys(t *testing.T) {
	for _, identity := range []*age.X25519Identity{nil, must(age.GenerateX25519Identity())} {
		w := newInline(t, identity)
		w.start("i.example")
		w.reach(80, "i.example: 20261129=signing; ")
		table := string(must(os.ReadFile(w.table)))
		if !strings.HasPrefix(table, "ki i.example:20261129:") || !strings.HasSuffix(table, " # inline\n") ||
			strings.Contains(table, ":age:") != (identity != nil) {
			t.Errorf("the table is %q", table)
		}
		if left := must(filepath.Glob(w.set.State + "/pending/*")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		w.finish()
	}
}

// A filter that refuses the table gets the old row back, also after a crash.
func TestInlineKeyIsPutBack(t *testing.T) {
	w := newInline(t, nil)
	before := must(os.ReadFile(w.table))
	w.start("i.example")
	w.killedBehindRows()
	if string(must(os.ReadFile(w.table))) == string(before) {
		t.Fatal("the row was not written")
	}
	w.filters[0].refuses = true
	w.runFor(1, "")
	w.expect("(reload-refused")
	if now := must(os.ReadFile(w.table)); string(now) != string(before) {
		t.Errorf("the table is %q, was %q", now, before)
	}
	w.filters[0].refuses = false
	w.reach(5, "20261129=signing")
	w.finish()
}
