package app

import (
	"errors"

	"dojang/internal/problem"
)

// Exit statuses of sysexits(3) that a start can end with.
const (
	exDataErr     = 65
	exUnavailable = 69
	exOSErr       = 71
	exConfig      = 78
)

// StartError is why a start ended, with the exit status that OpenDKIM has for
// it.
type StartError struct {
	Status int
	Text   string
}

func (e *StartError) Error() string { return e.Text }

// ExitStatus returns the exit status for an error of Run.
func ExitStatus(err error) int {
	var start *StartError
	if errors.As(err, &start) {
		return start.Status
	}
	return exUnavailable
}

// ProblemStatus returns the exit status for the problems that New found.
// Compat(opendkim 2.11): an unknown user has its own.
func ProblemStatus(problems problem.List) int {
	for _, p := range problems {
		if p.Severity != problem.Error {
			continue
		}
		if p.Option == "UserID" {
			return exDataErr
		}
		return exConfig
	}
	return exConfig
}
