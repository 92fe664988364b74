package web

import (
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/status"
	"dojang/internal/web/html"
)

// licenses names the libraries that are part of the program.
func (s *Server) licenses(q *request) {
	var rows []html.Group
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			rows = append(rows, html.Group{html.Text(m.Path), html.Text(m.Version)})
		}
	}
	body := html.Group{html.El("p", q.lang.Say("dojang is under the BSD 3-Clause License; its text is in "+
		"/usr/share/doc/dojang/copyright. The pages use no library of others: style and script are our own. The program holds these Go "+
		"modules, each under its own licence:",
		"dojang은 BSD 3-Clause 라이선스를 따르며, 전문은 /usr/share/doc/dojang/copyright에 있습니다. 페이지는 외부 라이브러리를 쓰지 않습니다. 프로그램에는 다음 Go 모듈이 "+
			"각각의 라이선스로 포함되어 있습니다."))}
	if len(rows) > 0 {
		body = append(body, table(q.lang.Say("Modules", "모듈"), []string{q.lang.Say("module", "모듈"), q.lang.Say("version", "버전")}, rows))
	}
	q.page(http.StatusOK, q.lang.Say("Licences", "라이선스"), "", body)
}

// schema describes what the API answers, by the types that it is made of.
func (s *Server) schema(q *request) {
	defs := map[string]any{}
	for name, v := range map[string]any{"check": keycheck.Report{}, "explain": story{}, "status": overview{},
		"keys": []keyRow{}, "messages": []status.Message{}, "publish": keyrecord.Document{}, "series": status.Series{}, "problem": problem{}} {
		defs[name] = schemaOf(reflect.TypeOf(v))
	}
	q.json(map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dojang web, /api/v1", "$defs": defs})
}

// schemaOf is the JSON Schema of a type. No type here holds itself.
func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		inner := schemaOf(t.Elem())
		return map[string]any{"anyOf": []any{inner, map[string]any{"type": "null"}}}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t.Elem())}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		addFields(t, properties, &required)
		return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	default:
		return map[string]any{"type": "integer"}
	}
}

func addFields(t reflect.Type, properties map[string]any, required *[]string) {
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			addFields(f.Type, properties, required)
		case !f.IsExported() || tag == "-":
		default:
			properties[tag] = schemaOf(f.Type)
			if !strings.Contains(options, "omit") {
				*required = append(*required, tag)
			}
		}
	}
}
