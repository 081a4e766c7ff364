// Package checklists holds the list of what the product promises, line by line, and the
// test or the documented divergence that stands for each: lines.csv. Its own test reads
// the repository's tests and fails where a line has neither, or names what is not there.
//
// It must not import a package of this project.
package checklists
