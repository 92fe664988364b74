package app

import (
	"maps"
	"os"
	"time"
)

// fileTimes are the times of files as last looked at, for AutoReload.
type fileTimes map[string]fileTime

type fileTime struct {
	modified time.Time
	size     int64
}

func statFiles(paths []string) fileTimes {
	times := make(fileTimes, len(paths))
	for _, path := range paths {
		times[path] = statFile(path)
	}
	return times
}

func statFile(path string) fileTime {
	info, err := os.Stat(path)
	if err != nil {
		return fileTime{}
	}
	return fileTime{info.ModTime(), info.Size()}
}

// equal reports whether no file differs.
func (t fileTimes) equal(u fileTimes) bool { return maps.Equal(t, u) }

// again looks at the same files anew.
func (t fileTimes) again() fileTimes {
	now := make(fileTimes, len(t))
	for path := range t {
		now[path] = statFile(path)
	}
	return now
}
