// Package assets serves the style sheets, the script and the fonts of the interface from memory.
//
// Sources are in src, third-party files in vendor (vendor.lock names their origin and their hash), and the bundles
// that `go generate ./ui/...` makes of them in dist, with the hash of their content in their names. dist is
// committed, so that a build needs the Go tool chain alone; a test tells when it does not belong to the sources.
// The package must not read the disk at run time.
package assets
