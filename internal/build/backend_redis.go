//go:build !noredis

package build

import (
	"dojang/internal/dataset"
	"dojang/internal/dataset/redisset"
	"dojang/internal/dataset/remote"
)

const hasRedis = true

func redisOpener(server remote.Options) dataset.Opener {
	return redisset.Opener(redisset.Options{}, server)
}
