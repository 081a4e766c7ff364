//go:build faults

package fault

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var (
	target, times = parse(os.Getenv("FAULT_KILL"))
	passed        atomic.Int64
)

func parse(setting string) (name string, n int64) {
	name, count, _ := strings.Cut(setting, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	return name, n
}

// Point kills the process, as kill -9 does, where FAULT_KILL says so.
func Point(name string) {
	if name != target || passed.Add(1) != times {
		return
	}
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}
