// Package cost holds what a message costs against its size: every shape that a hostile
// sender, signer, author, table or record can give a text, grown to twice its size, must
// take no more than a little above twice the memory, and by SCALE=long twice the time; and
// no message much more than an honest one of its size.
package cost
