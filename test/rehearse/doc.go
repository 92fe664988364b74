// Package rehearse has `dojang rehearse` stand between MTAs and filters in service:
// Debian's opendkim under load, with equal configurations and with one difference
// planted, and with its other half killed, stopped and slow.
package rehearse
