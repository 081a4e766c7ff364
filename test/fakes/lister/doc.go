// Package lister fakes a runtime whose answer to tools/list the test writes, byte
// for byte: it says that it speaks 2026-07-28, lists, and does nothing else.
package lister
