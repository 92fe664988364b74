package redisset

import (
	"strings"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// OpenClient opens the servers of a URL, for tools that fill them. It does not
// connect.
func OpenClient(url string) (redis.UniversalClient, error) {
	s, err := New(url, Options{})
	if err != nil {
		return nil, err
	}
	return s.client, nil
}

// Failure is an error of the server of a set. A key that holds another type is that
// key's fault alone, and lasts.
func Failure(set string, err error) error {
	return &dataset.Error{Set: set, Err: err, Temp: !strings.HasPrefix(err.Error(), "WRONGTYPE"),
		Hint: remote.CertificateHint(err, "write ca=/path/authority.pem behind the ? of the URL")}
}
