//go:build unix

package usage

import (
	"fmt"
	"os"
	"syscall"
)

// locks says whether lock keeps other processes away.
const locks = true

// lock takes a file for this process. The kernel lets go of it when the process
// ends, however it ends.
func lock(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a file descriptor fits an int
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
