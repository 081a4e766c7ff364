// Command shots takes pictures of the real pages, filled by a scripted person and
// client: light and dark, wide and narrow, into .cache/shots, and the README's two
// into docs/images.
//
//	make shots
//
// It asserts nothing: the pictures are for eyes. It must not be imported.
package main
