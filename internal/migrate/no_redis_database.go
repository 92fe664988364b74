//go:build noredis

package migrate

import (
	"context"

	"dojang/internal/dataset"
)

func (t Tables) intoRedis(context.Context, Target, *Tally) error {
	return failf(BadTarget, "%w", dataset.LeftOut("redis:", "noredis"))
}
