package server

import "time"

// SetBodyTime shortens what a body may take to arrive.
func SetBodyTime(s *Server, d time.Duration) { s.bodyTime = d }
