package edge

import (
	"net/http"
	"time"
)

// clientWriter writes a body to the client, with a bound on each write where the
// body may be longer than the connection's buffers: a client that does not read
// must not hold a runtime's answer for ever.
type clientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	bounded time.Duration // per write; 0 where no bound is needed
}

func (x *exchange) writer(bounded bool) clientWriter {
	w := clientWriter{w: x.w}
	if bounded {
		w.control, w.bounded = http.NewResponseController(x.w), x.front.limits.WriteTime
	}
	return w
}

func (w clientWriter) Write(p []byte) (int, error) {
	w.arm()
	return w.w.Write(p)
}

func (w clientWriter) writeAndFlush(p []byte) error {
	if _, err := w.Write(p); err != nil {
		return err
	}
	return w.control.Flush()
}

func (w clientWriter) flush() error {
	w.arm()
	return w.control.Flush()
}

// clear lifts the bound, which the connection would otherwise keep into its next
// request.
func (w clientWriter) clear() { _ = w.control.SetWriteDeadline(time.Time{}) }

func (w clientWriter) arm() {
	if w.bounded > 0 {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.bounded)) // a server without deadlines has its own bounds
	}
}
