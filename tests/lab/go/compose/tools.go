//go:build tools

// Package tools holds the version of Docker Compose that the lab runs. It is
// never compiled: the import keeps the program, and all that it needs, in
// go.mod and go.sum.
package tools

import _ "github.com/docker/compose/v2/cmd"
