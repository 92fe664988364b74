//go:build noredis

package build

import (
	"context"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

const hasRedis = false

func redisOpener(remote.Options) dataset.Opener {
	return func(_ context.Context, spec dataset.Spec, _ dataset.Options) (dataset.Set, error) {
		return nil, &dataset.Error{Set: spec.String(), Err: dataset.LeftOut("redis:", "noredis")}
	}
}
