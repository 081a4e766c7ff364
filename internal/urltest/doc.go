// Package urltest makes up URLs that are almost a given one, for the tests of what
// compares URLs. No product code may import it.
package urltest
