// Package clock is the injected time. Code that stores or compares a time takes
// a Clock, so that tests move it instead of sleeping.
package clock
