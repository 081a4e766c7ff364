// Package fault names the places at which a process may be killed by a test.
//
// In the product Point does nothing. In a build with the tag "faults", and only
// there, the variable FAULT_KILL names one of them, and how often it is passed before
// the process kills itself there: FAULT_KILL=grants.answered:3.
package fault
