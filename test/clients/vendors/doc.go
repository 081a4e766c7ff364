// Package vendors replays how the clients that people have connect: each from the
// dated shapes of its documentation and of what was seen on the wire (clients/*.json),
// from the 401 of the MCP URL to a refreshed token, with that client's own checks. A
// replay that passes before a broken server proves nothing, so every check of a
// profile has a fault that it must notice.
//
// It knows the gateway by what it answers; it must never import a package of the
// product.
package vendors
