//go:build tools

// Package tools holds the version of regclient that the lab runs. It is never
// compiled: the imports keep the programs, and all that they need, in go.mod
// and go.sum.
package tools

import (
	_ "github.com/regclient/regclient/cmd/regctl"
	_ "github.com/regclient/regclient/cmd/regsync"
)
