// Package soak sends very many messages of mixed shapes through the filter and
// looks whether anything grows: memory, goroutines, descriptors.
package soak
