// Package sources hashes and checks the files that the bundles are made of. The generator and the test that finds a
// stale bundle share it; nothing that serves a request uses it.
package sources
