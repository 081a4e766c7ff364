package edge

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	readHeaderTime = 5 * time.Second
	idleTime       = 2 * time.Minute
	maxHeader      = 64 << 10
)

// NewServer makes the server of a listener. It bounds what has to be bounded for
// every request; it has no read or write timeout, because a stream may stay open
// for hours: bodies and writes have bounds of their own.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            readHeaderTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is a request like any other
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
