package server

import "time"

// SetBodyTime shortens what a body may take to arrive.
func SetBodyTime(s *Server, d time.Duration) { s.bodyTime = d }

// Gathered tells how many tenants have refreshes under way.
func Gathered(s *Server) int {
	s.rotations.mu.Lock()
	defer s.rotations.mu.Unlock()
	return len(s.rotations.lines)
}
