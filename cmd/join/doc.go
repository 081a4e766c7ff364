// Package join satisfies what one package wants of others that it may not import,
// where the tests of more than one package stand on the same joint as the binary.
//
// It only translates: no rule of its own, no state, no access to the environment.
package join
