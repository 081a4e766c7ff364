//go:build !unix

package tenancy

import (
	"fmt"
	"os"
)

// lockFile has no advisory lock to take here; opening the file for writing is
// all that keeps a second process out.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	return f.Close, nil
}
