// Package logx holds the names of log attributes, so that one thing has one name
// in every line, and the handler's set-up.
package logx
