package rehearse

import (
	"encoding/binary"
	"fmt"
)

// maxFrameBytes bounds a frame that is looked at. The proxy forwards longer ones.
const maxFrameBytes = 4 << 20

// frames cuts one direction of a milter connection into its frames.
type frames struct{ rest []byte }

// add takes more octets and calls each for every frame that is whole: its command, or
// kind of reply, and its data, which is valid during the call.
func (f *frames) add(b []byte, each func(command byte, data []byte) error) error {
	f.rest = append(f.rest, b...)
	done := 0
	for len(f.rest)-done >= 5 {
		length := binary.BigEndian.Uint32(f.rest[done:])
		if length == 0 || length > maxFrameBytes {
			return fmt.Errorf("a frame of %d octets", length)
		}
		end := done + 4 + int(length)
		if len(f.rest) < end {
			break
		}
		if err := each(f.rest[done+4], f.rest[done+5:end]); err != nil {
			return err
		}
		done = end
	}
	f.rest = f.rest[:copy(f.rest, f.rest[done:])]
	if len(f.rest) == 0 && cap(f.rest) > 1<<16 {
		f.rest = nil
	}
	return nil
}
