// Package interop holds the tests of our signatures against other programs'
// verifiers, and of our verifier against other programs' signatures.
package interop
