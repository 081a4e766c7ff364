// Package tenancytest opens the gate for tests, on both databases. Only tests
// import it.
package tenancytest
