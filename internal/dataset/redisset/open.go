package redisset

import "github.com/redis/go-redis/v9"

// OpenClient opens the servers of a URL, for tools that fill them. It does not
// connect.
func OpenClient(url string) (redis.UniversalClient, error) {
	s, err := New(url, Options{})
	if err != nil {
		return nil, err
	}
	return s.client, nil
}
