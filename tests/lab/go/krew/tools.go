//go:build tools

// Package tools holds the version of krew that the lab runs. It is never
// compiled: the imports keep the programs, and all that they need, in go.mod
// and go.sum.
package tools

import (
	_ "sigs.k8s.io/krew/cmd/krew"
	_ "sigs.k8s.io/krew/cmd/validate-krew-manifest"
)
