package dataset

import "fmt"

// LeftOut is the error of a set whose library this build does not have: what it is
// called, and the build tag that left it out.
func LeftOut(name, tag string) error {
	return fmt.Errorf("%s was left out when this program was built (by the tag %s): use another type, or a build with it", name, tag)
}
