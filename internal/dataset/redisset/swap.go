package redisset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset"
	"dojang/internal/problem"
)

// Swap implements dataset.Swapper by WATCH and MULTI. Of a cluster, whose keys lie on
// several servers, each row is changed by itself, and put back when a later one fails.
func (s *Set) Swap(ctx context.Context, changes []dataset.Change) error {
	if _, cluster := s.client.(*redis.ClusterClient); !cluster || s.spec.hash != "" {
		return s.swap(ctx, changes)
	}
	for i, c := range changes {
		err := s.swap(ctx, []dataset.Change{c})
		if err == nil {
			continue
		}
		for _, done := range slices.Backward(changes[:i]) {
			err = errors.Join(err, s.swap(ctx, []dataset.Change{{Key: done.Key, Old: done.New, New: done.Old}}))
		}
		return err
	}
	return nil
}

func (s *Set) swap(ctx context.Context, changes []dataset.Change) error {
	err := s.client.Watch(ctx, func(tx *redis.Tx) error {
		for _, c := range changes {
			text, err := s.get(ctx, tx, c.Key).Result()
			switch {
			case errors.Is(err, redis.Nil):
				if c.Old != nil {
					return s.changed(c)
				}
			case err != nil:
				return s.failure(err)
			case c.Old == nil || text != strings.Join(c.Old, ":"):
				return s.changed(c)
			}
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, c := range changes {
				s.put(ctx, p, c)
			}
			return nil
		})
		return err
	}, s.stored(changes)...)
	switch {
	case errors.Is(err, redis.TxFailedErr):
		return s.changed(changes[0])
	case errors.Is(err, dataset.ErrChanged):
		return err
	}
	return s.failure(err)
}

// stored are the keys of Redis in which rows lie.
func (s *Set) stored(changes []dataset.Change) (keys []string) {
	if s.spec.hash != "" {
		return []string{s.spec.hash}
	}
	for _, c := range changes {
		keys = append(keys, s.spec.prefix+c.Key)
	}
	return keys
}

func (s *Set) put(ctx context.Context, p redis.Pipeliner, c dataset.Change) {
	value := strings.Join(c.New, ":")
	switch {
	case s.spec.hash != "" && c.New == nil:
		p.HDel(ctx, s.spec.hash, c.Key)
	case s.spec.hash != "":
		p.HSet(ctx, s.spec.hash, c.Key, value)
	case c.New == nil:
		p.Del(ctx, s.spec.prefix+c.Key)
	default:
		p.Set(ctx, s.spec.prefix+c.Key, value, redis.KeepTTL)
	}
}

func (s *Set) changed(c dataset.Change) error {
	return fmt.Errorf("%s: %s: %w", s.name, problem.Quote(c.Key), dataset.ErrChanged)
}
