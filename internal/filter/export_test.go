package filter

// For tests that compare two ways of one message.
var (
	Apply    = apply
	Response = response
)
