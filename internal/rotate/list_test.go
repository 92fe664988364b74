package rotate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// What scripts read of `dojang keys --json`, by name.
func TestItemsAreNamed(t *testing.T) {
	w := newOne(t, "")
	w.write("KeyTable", string(must(os.ReadFile(w.table)))+"other x.example:s:"+w.dir+"/a.private\n")
	w.filters[1].silent = true
	w.pass(1)
	var data []byte
	_, err := w.do(func(r *Rotator) (Outcome, error) {
		items, err := r.List(context.Background(), "")
		data = must(json.Marshal(items))
		return Outcome{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	var items []map[string]any
	if err := json.Unmarshal(data, &items); err != nil || len(items) != 2 {
		t.Fatalf("%s: %v", data, err)
	}
	want := strings.Fields("algorithm bits detail domain last_signed next next_at path reason selector since state")
	for _, it := range items {
		var names []string
		for name := range it {
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("%q", names)
		}
	}
	if items[0]["state"] != "signing" || items[0]["next"] != "rotate" || items[1]["state"] != "unmanaged" {
		t.Errorf("%s", data)
	}
	last, _ := items[0]["last_signed"].(map[string]any)
	if len(last) != 1 || last["unix:/one"] == nil { // the other host does not answer
		t.Errorf("%v", last)
	}
}

// A dry run tells what would be done, and does nothing.
func TestDryRun(t *testing.T) {
	w := newOne(t, "")
	var out bytes.Buffer
	before := w.durables
	_, err := w.do(func(r *Rotator) (Outcome, error) {
		r.DryRun, r.Out = true, &out
		return r.Start(context.Background(), "a.example")
	})
	if err != nil || !strings.Contains(out.String(), "would make a key (ed25519) in the place of old") || w.durables != before {
		t.Errorf("%v: %q, %d", err, out.String(), w.durables-before)
	}
	w.expect("a.example: old=signing; ")
}

// A key that was given up and that somebody put into the table keeps its record.
func TestAbortedKeyInUse(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	w.write("KeyTable", "ka a.example:20261129:"+w.dir+"/a.example.20261129.private\n")
	if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Abort(context.Background(), "a.example") }); err != nil {
		t.Fatal(err)
	}
	w.runFor(2, "")
	w.expect("20261129=aborted(edited-by-hand")
	if text, _ := w.servers[0].at("20261129._domainkey.a.example"); text == "" {
		t.Error("the record of a key that signs was withdrawn")
	}
	if _, err := os.Stat(w.dir + "/a.example.20261129.private"); err != nil {
		t.Error("the key that signs was deleted")
	}
}

// TestTablesAreNamedWithoutSecrets: what is said of a table is kept, and shown on pages.
func TestTablesAreNamedWithoutSecrets(t *testing.T) {
	for _, spec := range []string{"redis://:swordfish@db.example/0?hash=keys",
		"dsn:pgsql://dkim:swordfish@db.example/mail/table=keys?keycol=name?datacol=key",
		"csl:k=example.com:s:MIIEpAIBAAKCAQEAswordfishAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		table := Table{Spec: spec}
		for _, text := range []string{fmt.Sprint(table), fmt.Sprintf("%s %v", table, table), table.String()} {
			if strings.Contains(text, "swordfish") {
				t.Error(text)
			}
		}
	}
}

// A key that somebody changed by hand is adopted as it is; the one before it rests, and
// goes in its time.
func TestAdoptAfterHand(t *testing.T) {
	w := newOne(t, "")
	w.key("a.example", "mine", w.dir+"/mine.private")
	w.write("KeyTable", "ka a.example:mine:"+w.dir+"/mine.private\n")
	for _, f := range w.filters {
		f.read()
	}
	out, err := w.do(func(r *Rotator) (Outcome, error) { return r.Start(context.Background(), "a.example") })
	if err != nil || out.Blocked != 1 || !strings.Contains(w.log.String(), "edited-by-hand: the row") {
		t.Errorf("%+v, %v\n%s", out, err, w.log.String())
	}
	w.adopt()
	w.expect("a.example: old=resting mine=signing; ")
	w.reach(60, "a.example: mine=signing; ")
	if text, _ := w.servers[0].at("old._domainkey.a.example"); text != "" {
		t.Errorf("the old record is %q", text)
	}
	w.finish()
}

// Rows that somebody added, took away or changed by hand are taken as they are: what no
// row has any more rests and goes, what stays goes on, and the next keys follow them.
func TestAdoptRowsAsTheyAre(t *testing.T) {
	const two = "ka a.example:old:DIR/a.private\nkb a.example:mine:DIR/mine.private\n"
	for name, c := range map[string]struct{ before, after, adopted, end string }{
		"a row more":       {oneDomain, two, "signing old mine", "signing 20261129 20261129b"},
		"a row less":       {two, oneDomain, "resting mine, signing old", "signing 20261129"},
		"the same twice":   {oneDomain + "kb a.example:old:DIR/a.private\n", oneDomain, "signing old", "signing 20261129"},
		"another selector": {two, strings.Replace(two, "mine:DIR/mine", "third:DIR/third", 1), "resting mine, signing old third", "signing 20261129 20261129b"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "Zone * p\n", c.before)
			w.adopt()
			for _, selector := range []string{"mine", "third"} {
				if _, err := os.Stat(w.dir + "/" + selector + ".private"); err != nil {
					w.key("a.example", selector, w.dir+"/"+selector+".private")
				}
			}
			w.write("KeyTable", strings.ReplaceAll(c.after, "DIR", w.dir))
			for _, f := range w.filters {
				f.read()
			}
			w.adopt()
			if got := w.allKeys(); got != c.adopted {
				t.Errorf("adopted: %s", got)
			}
			w.start("a.example")
			for range 100 {
				w.runFor(1, "")
				if w.allKeys() == c.end {
					break
				}
			}
			if got := w.allKeys(); got != c.end {
				t.Errorf("in the end: %s", got)
			}
			w.finish()
		})
	}
}

// allKeys tells every key of the one unit.
func (w *world) allKeys() string {
	var list []string
	for _, g := range w.units()[0].Generations {
		words := []string{string(g.State)}
		for _, k := range g.Keys {
			words = append(words, k.Selector)
		}
		list = append(list, strings.Join(words, " "))
	}
	return strings.Join(list, ", ")
}

// A row that was changed by hand before it was to be written is adopted as it is; the key
// that nothing signs with goes.
func TestAdoptBeforeTheSwitch(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example")
	w.write("other.private", string(must(os.ReadFile(w.dir+"/a.private"))))
	w.write("KeyTable", "ka a.example:old:"+w.dir+"/other.private\n")
	w.runFor(20, "(edited-by-hand")
	if !strings.Contains(w.log.String(), "dojang keys adopt a.example") {
		t.Errorf("it does not say what to do:\n%s", &w.log)
	}
	w.adopt()
	w.expect("a.example: 20261129=resting old=signing; ")
	w.reach(60, "a.example: old=signing; ")
	if text, _ := w.servers[0].at("20261129._domainkey.a.example"); text != "" {
		t.Errorf("the record that never signed is %q", text)
	}
	w.start("a.example")
	w.runFor(60, "a.example: 20261129b=signing; ")
	w.expect("20261129b=signing")
	w.finish()
}

// A domain that leaves its Group, or joins it, is taken out or in.
func TestAdoptGroupAsItIs(t *testing.T) {
	w := newWorld(t, "Zone * p\nGroup all a.example b.example\n", "")
	w.write("KeyTable", "all %:old:"+w.dir+"/a.private\n")
	for _, d := range []string{"a.example", "b.example", "p.example"} {
		w.key(d, "old", w.dir+"/a.private")
	}
	w.adopt()
	for _, domains := range [][]string{{"a.example"}, {"p.example", "a.example"}} {
		w.set.Groups[0].Domains = domains
		w.adopt()
		if u := w.units()[0]; len(w.units()) != 1 || !sameDomains(u.Domains, domains) || w.allKeys() != "signing old" ||
			len(u.signing().Keys[0].Records) != len(domains) {
			t.Errorf("%v: %v, %s", domains, u.Domains, w.allKeys())
		}
	}
	if _, err := w.do(func(r *Rotator) (Outcome, error) {
		for _, it := range must(r.List(t.Context(), "")) {
			if it.State != Signing {
				t.Errorf("%+v", it)
			}
		}
		return Outcome{}, nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Whom nobody can ask about is not told of as another's record.
func TestAdoptWithoutServers(t *testing.T) {
	w := newWorld(t, "Zone * p\n", oneDomain)
	for _, s := range w.servers {
		s.silent = true
	}
	_, err := w.do(func(r *Rotator) (Outcome, error) {
		list, err := r.Adopt(context.Background(), w.now())
		if len(list) != 1 || list[0].OK || list[0].Reason != ServerSilent || list[0].Detail != "old._domainkey.a.example: "+noServers {
			t.Errorf("%+v", list)
		}
		return Outcome{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
