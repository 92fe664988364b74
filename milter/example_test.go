package milter_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"dojang/milter"
)

// subjects is a filter that looks for one subject and leaves all else alone.
type subjects struct {
	milter.Passive
	found bool
}

func (s *subjects) Header(name, value []byte) milter.Response {
	s.found = s.found || string(name) == "Subject" && string(value) == "free money"
	return milter.Continue
}

func (s *subjects) EndOfMessage(e *milter.Edits) milter.Response {
	if s.found {
		return milter.Reply(550, "5.7.1", "not here")
	}
	if err := e.AddHeader("X-Checked", "yes"); err != nil {
		return milter.TempFail
	}
	return milter.Accept
}

func (s *subjects) MailFrom(string, []string) milter.Response {
	s.found = false
	return milter.Continue
}

// A filter, and an MTA that sends it two messages.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	server := milter.NewServer(func(*milter.Conn) milter.Session { return new(subjects) }, milter.Options{Actions: milter.ActionAddHeaders})
	go server.Serve(l) //nolint:errcheck // milter.ErrServerClosed, when it is closed
	defer server.Close()

	client, err := milter.Dial("unix", socket, milter.ClientOptions{})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	for _, subject := range []string{"dinner", "free money"} {
		out, err := client.Send(context.Background(), milter.Message{Raw: []byte("Subject: " + subject + "\r\n\r\nHello.\r\n")})
		if err != nil {
			panic(err)
		}
		for _, e := range out.Edits {
			fmt.Printf("%s:%s\n", e.Name, e.Value)
		}
		fmt.Println(out.Final.String())
	}
	// Output:
	// X-Checked: yes
	// accept
	// 550 5.7.1 not here
}

// What becomes of a message by a filter's edits.
func ExampleApply() {
	edits := []milter.Edit{
		{Kind: milter.ReplyChangeHeader, Index: 1, Name: "Subject", Value: " [list] dinner"},
		{Kind: milter.ReplyInsertHeader, Index: 0, Name: "X-Checked", Value: " yes"},
	}
	fmt.Printf("%s", milter.Apply([]byte("From: joe@example.com\nSubject: dinner\n\nReady.\n"), edits))
	// Output:
	// X-Checked: yes
	// From: joe@example.com
	// Subject: [list] dinner
	//
	// Ready.
}

// Each connection may ask the MTA for what it alone needs.
func ExampleConn_Options() {
	newSession := func(c *milter.Conn) milter.Session {
		c.Options().Skip |= milter.StepBody // this session looks at headers only
		return new(subjects)
	}
	server := milter.NewServer(newSession, milter.Options{Actions: milter.ActionAddHeaders, WantHeaderLeadingSpace: true})
	fmt.Println(server.Connections())
	// Output: 0
}
