//go:build !unix

package usage

import "os"

// locks says whether lock keeps other processes away.
const locks = false

// lock has no advisory lock to take here. Two processes on one folder would store
// each other's events twice, which changes nothing.
func lock(*os.File) error { return nil }
