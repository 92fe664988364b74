//go:build !nomemcache

package build

import (
	"dojang/internal/dataset"
	"dojang/internal/dataset/memcacheset"
	"dojang/internal/dataset/remote"
)

const hasMemcache = true

func memcacheOpener(server remote.Options) dataset.Opener {
	return memcacheset.Opener(memcacheset.Options{}, server)
}
