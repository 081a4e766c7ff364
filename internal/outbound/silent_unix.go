//go:build unix

package outbound

import (
	"errors"
	"syscall"
)

// silent looks whether something can be read, without taking it. The end of the
// stream can be.
func silent(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) //nolint:gosec // a file descriptor fits an int
	return errors.Is(err, syscall.EAGAIN)
}
