// Package service runs the program as a service: it starts it, in every way
// that an administrator or a service manager does, sends it mail and signals,
// and looks at what the system says of its processes and files.
package service
