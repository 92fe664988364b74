// Package postfix holds the test of the main job: the filter between a real
// Postfix and the world, set up as mail administrators set it up.
package postfix
