package header_test

import (
	"fmt"

	"dojang/header"
)

func ExampleParse() {
	fields, body, err := header.Parse([]byte("Received: by b.example\r\nReceived: by a.example\r\nSubject: folded\r\n  " +
		"text\r\n\r\nHello.\r\n"))
	if err != nil {
		panic(err)
	}
	for i := range fields.Len() {
		fmt.Printf("%s:%q\n", fields.At(i).Name(), fields.At(i).Value())
	}
	fmt.Printf("%q\n", body)
	// Output:
	// Received:" by b.example"
	// Received:" by a.example"
	// Subject:" folded\r\n  text"
	// "Hello.\r\n"
}

// A signature with h=Received:Received:Received covers both fields, the lower one
// first, and that there is no third (RFC 6376 §5.4.2).
func ExamplePicker() {
	fields, _, err := header.Parse([]byte("Received: by b.example\r\nReceived: by a.example\r\n\r\n"))
	if err != nil {
		panic(err)
	}
	picker := header.NewPicker(fields)
	for range 3 {
		i, ok := picker.Pick("received")
		fmt.Println(i, ok)
	}
	// Output:
	// 1 true
	// 0 true
	// -1 false
}

func ExampleAddresses() {
	mailboxes, err := header.Addresses([]byte(` "Ann (not Joe)" <ann@example.com>, Team: joe@example.net;`))
	if err != nil {
		panic(err)
	}
	for _, m := range mailboxes {
		fmt.Println(m.Local, m.Domain)
	}
	// Output:
	// ann example.com
	// joe example.net
}
