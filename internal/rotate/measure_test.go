package rotate

import (
	"encoding/json"
	"runtime"
)

func jsonOf(u *Unit) ([]byte, error) { return json.MarshalIndent(u, "", " ") }

// peakMegabytes is what the process has taken of the system.
func peakMegabytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys >> 20
}
