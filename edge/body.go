package edge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/mcpwire"
)

const (
	// firstRead is the most that is set aside for a body before any of it has come.
	firstRead = 64 << 10
	// drainTime bounds the server's reading of a body that was refused unread.
	drainTime = 5 * time.Second
)

// readBody reads the message once. The bytes that are judged here are the bytes
// that are sent on.
func (x *exchange) readBody() *refusal {
	if !isJSON(x.r.Header) {
		return rejected(http.StatusUnsupportedMediaType, mcpwire.CodeInvalidRequest, reasonContentType, "The message must be sent as application/json in UTF-8, without Content-Encoding.")
	}
	if x.r.ContentLength > x.front.limits.Body {
		return x.tooLarge()
	}
	control := http.NewResponseController(x.w)
	// A server that cannot set deadlines has its own; the read below is bounded in size either way.
	_ = control.SetReadDeadline(time.Now().Add(x.front.limits.BodyTime))
	body, err := readAll(x.r.Body, x.r.ContentLength, x.front.limits.Body)
	_ = control.SetReadDeadline(time.Time{})
	x.event.RequestBytes = int64(len(body))
	switch {
	case errors.Is(err, errTooLarge):
		return x.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return rejected(http.StatusRequestTimeout, mcpwire.CodeInvalidRequest, reasonSlowBody, "The message did not arrive in time.")
	case err != nil:
		return rejected(http.StatusBadRequest, mcpwire.CodeParse, reasonBody, "The message did not arrive completely.")
	}
	x.body = body
	return x.judge()
}

// hasBody looks for a first byte where none should be. HTTP/2 may announce a body
// of unknown length and then end it at once.
func (x *exchange) hasBody() bool {
	if x.r.ContentLength >= 0 {
		return x.r.ContentLength > 0
	}
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Now().Add(x.front.limits.BodyTime))
	_, err := io.ReadFull(x.r.Body, make([]byte, 1))
	_ = control.SetReadDeadline(time.Time{})
	return !errors.Is(err, io.EOF)
}

func (x *exchange) judge() *refusal {
	message, err := mcpwire.Peek(x.body)
	reason := reasonInvalidMessage
	if err == nil {
		x.message = message
		x.describe()
		err = mcpwire.CheckHeaders(x.r.Header, &x.message)
	}
	if err == nil {
		return nil
	}
	fault, ok := errors.AsType[*mcpwire.Error](err)
	if !ok {
		fault = &mcpwire.Error{Code: mcpwire.CodeInvalidRequest, Reason: "the message cannot be read"}
	}
	if fault.Code == mcpwire.CodeHeaderMismatch {
		reason = reasonHeaders
	}
	re := rejected(http.StatusBadRequest, fault.Code, reason, "Invalid message: "+fault.Reason+".")
	re.id = fault.ID
	return re
}

func (x *exchange) tooLarge() *refusal {
	return rejected(http.StatusRequestEntityTooLarge, mcpwire.CodeInvalidRequest, reasonTooLarge, "The message is too large.")
}

func isJSON(h http.Header) bool {
	if len(h["Content-Encoding"]) > 0 {
		return false // nothing is unpacked here, and what is not read cannot be judged
	}
	values := h["Content-Type"]
	if len(values) != 1 {
		return false
	}
	if values[0] == contentTypeJSON {
		return true
	}
	kind, params, err := mime.ParseMediaType(values[0])
	if err != nil || kind != contentTypeJSON {
		return false
	}
	// JSON is UTF-8 (RFC 8259, section 8.1). A runtime that believes another charset would read another message.
	charset, named := params["charset"]
	return !named || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

var errTooLarge = errors.New("body too large")

// readAll reads a body of the announced length (-1 where none was) up to the limit.
func readAll(r io.Reader, length, limit int64) ([]byte, error) {
	size := int64(512)
	if length >= 0 {
		size = min(length, firstRead) + 1 // one more, so that the end is found without growing
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return b[:limit], errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// boundUnreadBody keeps a client from holding the connection with a body that was
// refused: the server reads on for a moment so that the client sees the answer.
func (x *exchange) boundUnreadBody() {
	if x.r.Body != nil && x.r.Body != http.NoBody && x.body == nil {
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(drainTime)) // best effort
	}
}
