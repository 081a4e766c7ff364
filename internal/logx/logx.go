package logx

import (
	"io"
	"log/slog"
)

// Attribute names.
const (
	RequestID = "request_id"
	Tenant    = "tenant_id"
	Upstream  = "upstream_id"
	Origin    = "origin"
	Method    = "method"
	Path      = "path"
	Status    = "status"
	Latency   = "latency_ms"
	Err       = "error"
)

// New makes the process logger: JSON lines, or text for a person at a terminal.
func New(w io.Writer, level slog.Level, json bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
