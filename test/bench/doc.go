// Command bench measures the gateway and prints ratios: docs/performance.md says
// what is measured, against what, and keeps the figures.
//
// It starts every server as a process of its own, so that processor time and
// memory are told apart: the built gateway, and itself in other roles (the
// runtime, the bare reverse proxy, the bare signer, an edge whose recorder can be
// chosen). All targets of a measurement take turns within each round, and medians
// over the rounds are printed, because a shared machine's speed changes from
// second to second.
//
// It must not: fail because something was slow, or pass when an answer was wrong.
package main
