//go:build nopgsql

package sqlset

import (
	"database/sql"

	"dojang/internal/dataset"
)

const hasPostgreSQL = false

func (d DSN) postgres(Options) (*sql.DB, error) { return nil, dataset.LeftOut("dsn:pgsql:", "nopgsql") }

func pgsqlCode(error) string { return "" }
