//go:build !linux

package process

import "syscall"

// attributes leaves out the death signal, which only Linux has.
func attributes(options Options) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: options.Credential}
}
