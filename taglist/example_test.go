package taglist_test

import (
	"errors"
	"fmt"

	"dojang/taglist"
)

func ExampleParse() {
	list, err := taglist.Parse([]byte("v=DKIM1; t=y:s; p=MCow BQYD"))
	if err != nil {
		panic(err)
	}
	for _, tag := range list.Tags() {
		fmt.Printf("%s = %q\n", tag.Name, tag.Value)
	}
	_, err = taglist.Parse([]byte("a=1; a=2"))
	fmt.Println(errors.Is(err, taglist.ErrDuplicate))
	// Output:
	// v = "DKIM1"
	// t = "y:s"
	// p = "MCow BQYD"
	// true
}

func ExampleWriter() {
	w := taglist.Writer{Margin: 30}
	w.Tag("v", "1", taglist.BreakNever)
	w.Tag("h", "From:To:Subject:Date:Message-ID", taglist.BreakAtColon)
	w.Last("b", "c2lnbmF0dXJl", taglist.BreakAnywhere, 0)
	fmt.Printf("%q\n", w.String())
	// Output:
	// "v=1;\r\n\th=From:To:Subject:Date:\r\n\t Message-ID;\r\n\tb=c2lnbmF0dXJl"
}
