package config

import "dojang/internal/problem"

// Check finds options that contradict each other or need one another.
func (c *Config) Check() problem.List { return nil }
