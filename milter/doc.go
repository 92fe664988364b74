// Package milter speaks the mail filter protocol of Sendmail and Postfix,
// versions 2 to 6: a [Server] for filters and a [Client] for tests, tools and
// load generators.
//
// A frame is four octets of length, one octet of command and the command's data.
// The package treats every frame as hostile: lengths are checked before memory
// is taken, missing NULs, unknown commands and commands out of order end the
// connection with an error that says what was wrong, and one connection can
// never hold more than its limits.
//
// A connection that waits for its peer holds no read buffer, so thousands of idle
// connections are cheap. Body chunks are handed to the [Session] as slices of the
// read buffer; replies to pipelined commands leave in one write, and so do the
// edits at the end of a message together with the final answer.
package milter
