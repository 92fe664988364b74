package cli

import (
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
)

// datasetOptions are how the tools open data sets under a configuration.
func datasetOptions(cfg *config.Config) dataset.Options {
	return dataset.Options{Openers: build.Openers(cfg, build.Parts{})}
}
