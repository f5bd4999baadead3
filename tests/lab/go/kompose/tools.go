//go:build tools

// Package tools holds the version of kompose that the lab compares with. It is
// never compiled: the import keeps the program, and all that it needs, in
// go.mod and go.sum.
package tools

import _ "github.com/kubernetes/kompose"
