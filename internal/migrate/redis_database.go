//go:build !noredis

package migrate

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset/redisset"
	"dojang/internal/problem"
)

// intoRedis fills two hashes, or a cluster's keys.
func (t Tables) intoRedis(ctx context.Context, to Target, n *Tally) error {
	client, err := redisset.OpenClient(to.URL)
	if err != nil {
		return failf(BadTarget, "%w", err)
	}
	defer client.Close()
	write, err := compareRedis(ctx, client, t.pairs(), n)
	if err != nil {
		return failf(Unavailable, "nothing was written: %w", redisset.Failure("", err))
	}
	if n.stays() {
		return nil
	}
	_, cluster := client.(*redis.ClusterClient)
	done := 0
	for batch := range slices.Chunk(write, batchRows) {
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, p := range batch {
				if cluster {
					pipe.Set(ctx, p.Key(), p.Value, 0)
				} else {
					pipe.HSet(ctx, p.Hash, p.Field, p.Value)
				}
			}
			return nil
		})
		if err != nil {
			return failf(Unavailable, "after %d of %d rows; import again for the rest: %s", done, len(write), err)
		}
		done += len(batch)
		to.Progress(done, len(write))
	}
	return nil
}

// compareRedis returns the rows that are not there as they are to be.
func compareRedis(ctx context.Context, client redis.UniversalClient, pairs []pair, n *Tally) (write []pair, err error) {
	_, cluster := client.(*redis.ClusterClient)
	for batch := range slices.Chunk(pairs, batchRows) {
		pipe := client.Pipeline()
		stored := make([]*redis.StringCmd, len(batch))
		for i, p := range batch {
			if cluster {
				stored[i] = pipe.Get(ctx, p.Key())
			} else {
				stored[i] = pipe.HGet(ctx, p.Hash, p.Field)
			}
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		for i, p := range batch {
			switch text, err := stored[i].Result(); {
			case errors.Is(err, redis.Nil):
				n.added++
			case err != nil:
				return nil, err
			case text == p.Value:
				n.unchanged++
				continue
			default:
				n.change("%s %s", p.Hash, problem.Quote(p.Field))
			}
			write = append(write, p)
		}
	}
	return write, nil
}
