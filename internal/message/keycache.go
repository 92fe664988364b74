package message

import (
	"crypto"
	"crypto/rsa"
	"sync"

	"dojang/dkim"
)

const (
	maxCachedKeys = 4096
	// maxCachedKeyBytes is the longest text kept: strangers choose it.
	maxCachedKeyBytes = 4 << 10
)

// keyCache keeps key records parsed, by their text, so that it cannot outlive
// what it was made from: whether the text still stands is the resolver's word.
// The zero keyCache is ready for use.
type keyCache struct {
	mu      sync.RWMutex
	records map[string]cachedKey
}

type cachedKey struct {
	record    *dkim.KeyRecord
	reason    dkim.Reason
	verifyRSA func(h crypto.Hash, digest, signature []byte) bool
}

// parse sets Record and VerifyRSA of an answer that has one text.
func (c *keyCache) parse(a *dkim.KeyAnswer, s *Snapshot) {
	if len(a.Texts) != 1 || a.Err != nil || a.NotFound || a.Temporary || len(a.Texts[0]) > maxCachedKeyBytes {
		return // the verifier parses for itself
	}
	text := a.Texts[0]
	c.mu.RLock()
	k, ok := c.records[text]
	c.mu.RUnlock()
	if !ok {
		k.record, k.reason = dkim.ParseKeyTexts(a.Texts)
		if k.record != nil && s.FastRSA != nil {
			if key, ok := k.record.Key.(*rsa.PublicKey); ok {
				k.verifyRSA = s.FastRSA(key)
			}
		}
		c.put(text, k)
	}
	a.Record, a.RecordReason, a.VerifyRSA = k.record, k.reason, k.verifyRSA
}

func (c *keyCache) put(text string, k cachedKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records == nil {
		c.records = map[string]cachedKey{}
	}
	if len(c.records) >= maxCachedKeys {
		// Go walks a map from a random place: an eighth of the records, whichever,
		// makes room for many to come.
		drop := maxCachedKeys / 8
		for text := range c.records {
			delete(c.records, text)
			if drop--; drop == 0 {
				break
			}
		}
	}
	c.records[text] = k
}
