// Command emcy is Emcy Gateway: the console, the edge and the workers in one
// binary, and the commands around them.
//
// It is the only composition root and, in config.go, the only reader of the
// environment. It must hold no logic of its own beyond wiring: what it adapts
// between packages stands in adapters.go. Nothing imports it.
package main
