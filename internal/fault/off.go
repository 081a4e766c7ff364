//go:build !faults

package fault

// Point marks a place at which a test may kill the process.
func Point(string) {}
