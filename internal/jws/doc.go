// Package jws signs JWTs (RFC 7515, RFC 7519) with the two algorithms that a
// workspace's keys can have. A general library spends more on its choices than on the
// curve, and token endpoint and edge sign with most of what they do.
//
// It must not keep keys, and says nothing about what claims mean.
package jws
