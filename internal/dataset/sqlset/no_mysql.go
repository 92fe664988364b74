//go:build nomysql

package sqlset

import (
	"database/sql"

	"dojang/internal/dataset"
)

const hasMySQL = false

func (d DSN) mysql(Options) (*sql.DB, error) { return nil, dataset.LeftOut("dsn:mysql:", "nomysql") }

func mysqlNumber(error) uint16 { return 0 }
