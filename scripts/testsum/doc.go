// Command testsum runs the test suites one after the other and sums them up in
// a table, with a last line "N passed, N failed". It exits non-zero when
// anything failed and, where CI=true, when anything was not run.
//
// It is a development tool, started by scripts/test; the product never imports it.
package main
