package socketset

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
)

// server speaks tcp_table(5), written apart from the client's code.
type server struct {
	mu    sync.Mutex
	conns []net.Conn
	l     net.Listener
	reply string // instead of an answer, when set
	count int
}

func (s *server) start(t *testing.T, path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.l = l
	rows := map[string]string{}
	for _, r := range datasettest.Rows() {
		rows[r.Key] = r.Text()
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go s.serve(c, rows)
		}
	}()
}

func (s *server) serve(c net.Conn, rows map[string]string) {
	defer c.Close()
	for sc := bufio.NewScanner(c); sc.Scan(); {
		s.mu.Lock()
		reply := s.reply
		s.count++
		s.mu.Unlock()
		key, ok := strings.CutPrefix(sc.Text(), "get ")
		key, err := url.PathUnescape(key)
		value, found := rows[key]
		switch {
		case reply != "":
		case !ok || err != nil:
			reply = "400 bad request\n"
		case !found:
			reply = "500 no%20such%20key\n"
		default:
			reply = "200 " + url.PathEscape(value) + "\n"
		}
		if _, err := c.Write([]byte(reply)); err != nil {
			return
		}
	}
}

func (s *server) stop() {
	s.l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func open(t *testing.T, spec string) dataset.Set {
	t.Helper()
	r := remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}
	set, err := dataset.Open(context.Background(), spec,
		dataset.Options{Openers: map[string]dataset.Opener{"socket": Opener(Options{Timeout: 2 * time.Second}, r)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func TestSocket(t *testing.T) {
	path := datasettest.Folder(t, 0o700) + "/s"
	s := &server{}
	s.start(t, path)
	for _, spec := range []string{"socket:" + path, "socket:local:" + path} {
		datasettest.Run(t, open(t, spec), datasettest.Options{OneColumn: true})
	}
	datasettest.Outage(t, open(t, "socket:"+path), s.stop, func() { s.start(t, path) })
	set := open(t, "socket:"+path)
	for reply, temporary := range map[string]bool{"400 busy\n": true, "hello\n": true, "200 %zz\n": false,
		strings.Repeat("x", maxReplyBytes+10) + "\n": true} {
		s.mu.Lock()
		s.reply = reply
		s.mu.Unlock()
		time.Sleep(20 * time.Millisecond) // the pause after a failure
		if _, err := set.Lookup(context.Background(), "one", 1); err == nil || errors.Is(err, dataset.ErrNotFound) ||
			dataset.IsTemporary(err) != temporary || len(err.Error()) > 600 {
			t.Errorf("%.20q: %v", reply, err)
		}
	}
	s.stop()
}

// What a server says beside its answer is not the answer to the next question.
func TestOneLineAnswersOneQuestion(t *testing.T) {
	path := datasettest.Folder(t, 0o700) + "/s"
	s := &server{reply: "200 one\n200 two\n"}
	s.start(t, path)
	defer s.stop()
	set, err := New("local:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for range 3 {
		if values, err := set.Lookup(t.Context(), "k", 1); err != nil || values[0] != "one" {
			t.Errorf("%v, %v", values, err)
		}
	}
}

func TestConnectionStandsStill(t *testing.T) {
	path := datasettest.Folder(t, 0o700) + "/s"
	s := &server{}
	s.start(t, path)
	defer s.stop()
	datasettest.StandsStill(t, "unix", path, func(address string) dataset.Set {
		host, port, _ := strings.Cut(address, ":")
		set, err := New("inet:"+port+"@"+host, Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { set.Close() })
		return set
	})
}

func TestInet(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if line, _ := bufio.NewReader(c).ReadString('\n'); line == "get a%20b%25\n" {
					_, _ = c.Write([]byte("200 x%3Ay:z\r\n"))
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	got, err := open(t, "socket:inet:"+port+"@127.0.0.1").Lookup(context.Background(), "a b%", 3)
	if err != nil || strings.Join(got, "|") != "x|y|z" {
		t.Error(got, err)
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"/run/s": "unix /run/s", "local:/run/s": "unix /run/s", "unix:s": "unix s", "LOCAL:/a:b": "unix /a:b",
		"inet:1": "tcp4 localhost:1", "inet:1@": "tcp4 localhost:1", "inet:1@h": "tcp4 h:1", "Inet:1@[192.0.2.1]": "tcp4 192.0.2.1:1",
		"inet:1@192.0.2.1": "tcp4 192.0.2.1:1", "inet6:1@[::1]": "tcp6 [::1]:1", "inet6:1@::1": "tcp6 [::1]:1", "inet:smtp@h": "tcp4 h:smtp",
		"": "", "x": "", "local:": "", "inet:": "", "inet:@h": "", "tcp:1@h": "", "inet:0@h": "", "inet:65536@h": "", "inet:nosuch@h": "",
		"inet:127.0.0.1:9": "", "inet:1@::1": "", "inet6:1@127.0.0.1": "", "inet6:1@[::1": "", "inet:1@h@h": "", "inet:1@h:2": "",
	} {
		network, address, err := parse(s)
		if got := strings.TrimSpace(network + " " + address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
}

func FuzzCoding(f *testing.F) {
	f.Add("a b%")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := url.PathUnescape(encode(s)); err != nil || got != s {
			t.Fatalf("%q: %q %v", s, got, err)
		}
		if strings.ContainsAny(encode(s), " \r\n\x00") {
			t.Fatal("not a line")
		}
		_, _ = decode(s)
	})
}
