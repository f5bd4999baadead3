//go:build tools

// Package tools holds the version of helm4 that the lab runs. It is never
// compiled: the imports keep the programs, and all that they need, in go.mod
// and go.sum.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
