// Package usage keeps the usage events: it takes them from the edge without ever
// making it wait, stores them in batches, and answers the console's questions
// about them.
//
// An event is on disk when Record returns: one line in a spool file of the data
// folder, written in one piece, so that killing the process loses none. A batch
// that is stored takes its spool file with it. What a dead process left behind is
// stored by the next one that starts on the same folder; storing twice changes
// nothing, and a finished event is never replaced by an unfinished one.
//
// It must not: block a request, look into an event to decide anything, or lose
// the events of one tenant because of another's.
package usage
