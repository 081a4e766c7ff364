package emcyworker

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// heldWriter keeps the status of an answer until its first byte, at most for a while. A
// server that streams sends its 200 before the tool has run; until the first byte a
// refused token can still make it a 401.
type heldWriter struct {
	w       http.ResponseWriter
	hold    time.Duration
	refused *atomic.Bool
	own     http.Header // the handler's, until the answer passes

	mu       sync.Mutex
	status   int         // 0 before the handler has given one
	head     http.Header // the handler's when it gave the status
	flush    bool
	timer    *time.Timer
	passing  bool
	replaced bool
	closed   bool
}

func (h *heldWriter) Header() http.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.passing {
		return h.w.Header()
	}
	return h.own
}

func (h *heldWriter) WriteHeader(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.passing {
		h.w.WriteHeader(status)
	} else if status >= http.StatusOK {
		h.start(status)
	}
}

func (h *heldWriter) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.start(http.StatusOK)
	if len(p) > 0 || h.passing {
		h.settle()
	}
	if h.replaced {
		return len(p), nil
	}
	if !h.passing {
		return 0, nil
	}
	return h.w.Write(p)
}

// FlushError lets [http.ResponseController] flush.
func (h *heldWriter) FlushError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.start(http.StatusOK)
	if !h.passing {
		h.flush = true
		return nil
	}
	return http.NewResponseController(h.w).Flush()
}

// Flush is for handlers that look for [http.Flusher]. What cannot be flushed comes later.
func (h *heldWriter) Flush() { _ = h.FlushError() }

// Unwrap lets [http.ResponseController] set deadlines.
func (h *heldWriter) Unwrap() http.ResponseWriter { return h.w }

// start notes the status, and lets it wait no longer than it may.
func (h *heldWriter) start(status int) {
	if h.status != 0 {
		return
	}
	h.status, h.head = status, h.own.Clone()
	h.timer = time.AfterFunc(h.hold, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.closed && !h.refused.Load() {
			h.settle()
		}
	})
}

// settle decides what the answer is, once.
func (h *heldWriter) settle() {
	if h.passing || h.replaced {
		return
	}
	if h.refused.Load() {
		h.replaced = true
		tokenRefused.write(h.w)
		return
	}
	h.passing = true
	maps.Copy(h.w.Header(), h.head)
	h.w.WriteHeader(h.status)
	if h.flush {
		_ = http.NewResponseController(h.w).Flush() // what cannot be flushed comes later
	}
}

// finish is the end of a handler that returned.
func (h *heldWriter) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status != 0 || h.refused.Load() {
		h.settle()
	} else if !h.passing {
		maps.Copy(h.w.Header(), h.own)
	}
}

// close ends the wait, also where the handler panicked.
func (h *heldWriter) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
}
