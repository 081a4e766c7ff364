// Package wire stands between a client and one tenant's origin of the gateway. It
// is an origin of its own on loopback that changes nothing but the origin's name,
// records what was asked, and breaks one thing where it is told to: a client's test
// that passes through a broken wire proves nothing.
//
// It knows the gateway by what it answers; it must never import a package of the
// product.
package wire
