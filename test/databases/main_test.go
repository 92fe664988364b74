package databases

import (
	"testing"

	"dojang/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }
