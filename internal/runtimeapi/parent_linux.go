package runtimeapi

import "syscall"

// withParent has the kernel kill a process when this one dies in a way that leaves it no time to end its children.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
