//go:build !linux

package runtimeapi

import "syscall"

// withParent is what Linux has: elsewhere a process ends when it next asks for an invocation.
func withParent() *syscall.SysProcAttr { return nil }
