// Package sendmail runs the filter, and Debian's opendkim beside it, behind a
// real Sendmail: what it hands over, what it makes of our answers, and what
// becomes of signatures after its own rewriting of the header.
package sendmail
