package doctor

import (
	"os"

	"dojang/internal/config"
	"dojang/internal/dataset"
)

// tables looks whether the filter's user can read the files that the configuration
// names: one that it cannot read ends each reload, and the old rows stay in force.
func (r *Report) tables(h *host) {
	seen := map[string]bool{}
	for _, o := range config.Options() {
		field := h.Config.Field(o.Name)
		if field == nil || !field.IsSet() || o.Type != config.DataSet {
			continue
		}
		path := fileOf(field.Text())
		if path == "" || seen[path] {
			continue
		}
		seen[path] = true
		component, err := h.Filter.obstacle(path, read)
		if err != nil || component == "" {
			continue // what is not there, the configuration's own check tells
		}
		r.Add(Finding{Check: "table", Code: "table-unreadable", Status: Bad, Remedy: h.open(path, component, false) + " && " + h.Reload()},
			"user %s may not %s %s, so a reload cannot read %s %s", h.Filter.Name, verb(component == path), component, o.Name, path)
	}
	if component, err := h.Filter.obstacle(h.File, read); err == nil && component == h.File && h.Filter.UID != os.Geteuid() {
		r.Add(Finding{Check: "table", Code: "config-unreadable", Status: Bad, Remedy: h.open(h.File, component, false) +
			" && " + h.Reload()},
			"user %s may not read %s, so a reload fails", h.Filter.Name, h.File)
	}
}

// fileOf is the file of a data set, "" for one of another kind.
func fileOf(text string) string {
	spec, err := dataset.ParseSpec(text)
	if err != nil || spec.Type != dataset.TypeFile && spec.Type != dataset.TypePatterns {
		return ""
	}
	return spec.Args
}
