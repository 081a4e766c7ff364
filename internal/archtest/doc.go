// Package archtest holds the module to its floor plan: which package may import
// which, what may never be reached even through others, and which calls belong
// to one package alone. The plan is in plan.go, in the order of the house's
// table; a new line in it is an architecture decision and needs a record in
// docs/adr.
//
// Every rule names its cure in its message. The package is used by its own
// tests only and imports no other package of this project.
package archtest
