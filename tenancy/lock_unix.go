//go:build unix

package tenancy

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile makes this process the only user of an SQLite database. The kernel
// lets go of the lock when the process ends, however it ends.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a file descriptor fits an int
		_ = f.Close()
		return nil, fmt.Errorf("another process uses this data folder (%s is locked); use PostgreSQL for more than one process", path)
	}
	return f.Close, nil
}
