package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
)

const (
	sessionTime = 12 * time.Hour
	tokenTime   = time.Hour
	maxSessions = 10
	maxTokens   = 10
	wrongDelay  = time.Second // before the answer to a wrong token or password
)

// secret is what is kept of a token: who reads our memory learns none.
type secret [sha256.Size]byte

type lease struct {
	secret secret
	until  time.Time
}

// sessions are those who are logged in, and the tokens by which others may. They end with
// the process.
type sessions struct {
	now    func() time.Time
	mu     sync.Mutex
	tokens []lease
	active []lease
	given  []lease // passwords that fitted, with whoever gave them
}

func newSessions(now func() time.Time) *sessions { return &sessions{now: now} }

// random is 256 bits.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *sessions) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := random()
	s.tokens = s.add(s.tokens, t, tokenTime, maxTokens)
	return t
}

// add adds a lease, for which the oldest goes when there are too many.
func (s *sessions) add(list []lease, text string, d time.Duration, most int) []lease {
	list = s.valid(list)
	if len(list) >= most {
		list = list[1:]
	}
	return append(list, lease{sha256.Sum256([]byte(text)), s.now().Add(d)})
}

func (s *sessions) valid(list []lease) []lease {
	now := s.now()
	return slices.DeleteFunc(list, func(l lease) bool { return !now.Before(l.until) })
}

func find(list []lease, text string) int {
	sum := sha256.Sum256([]byte(text))
	return slices.IndexFunc(list, func(l lease) bool { return subtle.ConstantTimeCompare(l.secret[:], sum[:]) == 1 })
}

// redeem begins a session for a token, which is used up by it.
func (s *sessions) redeem(token string) (session string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = s.valid(s.tokens)
	i := find(s.tokens, token)
	if i < 0 {
		return "", false
	}
	s.tokens = slices.Delete(s.tokens, i, i+1)
	return s.beginLocked(), true
}

func (s *sessions) begin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked()
}

func (s *sessions) beginLocked() string {
	session := random()
	s.active = s.add(s.active, session, sessionTime, maxSessions)
	return session
}

// remember keeps in mind that a password fitted: each look costs 64 MiB, and programs
// give it with every request. It is no session: as a cookie it counts for nothing.
func (s *sessions) remember(who, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = s.add(s.given, who+" "+password, tokenTime, maxSessions)
}

func (s *sessions) remembers(who, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = s.valid(s.given)
	return find(s.given, who+" "+password) >= 0
}

func (s *sessions) has(session string) bool {
	if session == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = s.valid(s.active)
	return find(s.active, session) >= 0
}

func (s *sessions) end(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := find(s.active, session); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
	}
}

// The cost of a password: RFC 9106 §4's second choice.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	argonBytes   = 32
	maxPassword  = 1024            // bytes
	passwordWait = 5 * time.Second // in a flood of guesses: one is looked at after the other
)

// HashPassword is a line for a password file: argon2id in PHC's form.
func HashPassword(password string) (string, error) {
	if len(password) < 8 || len(password) > maxPassword {
		return "", fmt.Errorf("a password has 8 to %d bytes", maxPassword)
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonBytes)
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		e.EncodeToString(salt), e.EncodeToString(sum)), nil
}

var errHash = errors.New("it is no line of `dojang web passwd`")

// CheckHash says whether a password file's line is one that HashPassword made.
func CheckHash(line string) error {
	_, _, err := parseHash(line)
	return err
}

// parseHash takes the form that HashPassword writes and no other: a file cannot make a
// log-in cheaper, or cost all memory.
func parseHash(line string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(line, fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads))
	first, second, cut := strings.Cut(rest, "$")
	if !ok || !cut {
		return nil, nil, errHash
	}
	salt, err = base64.RawStdEncoding.DecodeString(first)
	if err != nil || len(salt) < 16 {
		return nil, nil, errHash
	}
	sum, err = base64.RawStdEncoding.DecodeString(second)
	if err != nil || len(sum) != argonBytes {
		return nil, nil, errHash
	}
	return salt, sum, nil
}

func passwordFits(line, password string) bool {
	salt, sum, err := parseHash(line)
	if err != nil || password == "" || len(password) > maxPassword {
		return false
	}
	return subtle.ConstantTimeCompare(sum, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonBytes)) == 1
}
