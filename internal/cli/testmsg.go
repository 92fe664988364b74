package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func classicTestmsg(context.Context, Streams, []string) int { return exUnavailable }

func testmsgCommand(Streams) *cobra.Command { return &cobra.Command{Use: "testmsg", Hidden: true} }
