// Package rehearse lets our filter see the mail of another that is in service: a Proxy
// stands between the MTA and that filter and forwards every octet of both; a Tap of each
// connection hands a copy to a process of its own, in which Watch has our filter decide
// about the same dialogue, and tells by Reports where the two differ. Nothing that this
// process does or fails to do reaches the mail: it may be slow, hang or die, and then a
// Tap drops its connection.
package rehearse
