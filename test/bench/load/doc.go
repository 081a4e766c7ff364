// Package load sends HTTP/1.1 requests over kept connections as fast as they are
// answered, and judges every answer. It writes prepared bytes and reads as much of
// HTTP as the bench's servers speak, so that little of the machine goes into it.
//
// It must not: know what is asked, or go on after an answer that its script refuses.
package load
