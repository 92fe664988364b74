//go:build noldap

package build

import (
	"context"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

const hasLDAP = false

func directoryOpener(*config.Config, remote.Options) dataset.Opener {
	return func(_ context.Context, spec dataset.Spec, _ dataset.Options) (dataset.Set, error) {
		return nil, &dataset.Error{Set: spec.String(), Err: dataset.LeftOut("ldap:", "noldap")}
	}
}
