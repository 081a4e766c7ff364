package outbound

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// inlineBody is the longest body that is written before the answer is awaited: what
	// fits the smallest socket buffers. A peer may answer a longer one before it has read it.
	inlineBody = 16 << 10
	// lateAnswer is how long an answer may take after the request could not be written to its end.
	lateAnswer = time.Second
	// maxInformational is how many answers 1xx may come before the answer.
	maxInformational = 5
)

var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4<<10) }}

// wire is one connection, for one request at a time.
type wire struct {
	address string
	conn    net.Conn
	raw     syscall.RawConn
	reader  *bufio.Reader
	since   time.Time // it is idle since then
	// headerLeft is how many bytes may still be read as a header; negative outside of one.
	headerLeft int64
	// sending is where the result of writing a long request comes; nil where it was written at once.
	sending chan error
	look    func(fd uintptr) bool
	silent  bool
}

func newWire(address string, conn net.Conn) (*wire, error) {
	w := &wire{address: address, conn: conn, headerLeft: -1}
	w.reader = bufio.NewReaderSize(w, 4<<10)
	if sys, ok := conn.(syscall.Conn); ok {
		raw, err := sys.SyscallConn()
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		w.raw = raw
		w.look = func(fd uintptr) bool { w.silent = silent(fd); return true }
	}
	return w, nil
}

// quiet reports whether nothing has come from the peer since its last answer, neither its end nor bytes
// that nobody asked for.
func (w *wire) quiet() bool {
	if w.raw == nil {
		return true
	}
	w.silent = false
	return w.raw.Read(w.look) == nil && w.silent
}

// interrupt ends whatever waits on the connection.
func (w *wire) interrupt() { _ = w.conn.SetDeadline(time.Unix(1, 0)) } // a closed one waits for nothing

var errHeaderTooLarge = errors.New("server response headers exceeded the limit")

// Read reads from the connection, in a header no more than is allowed.
func (w *wire) Read(p []byte) (int, error) {
	if w.headerLeft == 0 {
		return 0, errHeaderTooLarge
	}
	if w.headerLeft > 0 && int64(len(p)) > w.headerLeft {
		p = p[:w.headerLeft]
	}
	n, err := w.conn.Read(p)
	if w.headerLeft > 0 {
		w.headerLeft -= int64(n)
	}
	return n, err
}

// exchange sends a request and reads its answer's header.
func (w *wire) exchange(req *http.Request, maxHeader int64) (*http.Response, error) {
	w.sending = nil
	if req.Body == nil || req.ContentLength >= 0 && req.ContentLength <= inlineBody {
		if err := w.sendInline(req); err != nil {
			return nil, err
		}
	} else {
		w.sending = make(chan error, 1)
		go w.sendAside(req)
	}
	resp, err := w.answer(req, maxHeader)
	if err != nil && w.sending != nil {
		select {
		case sent := <-w.sending:
			err = errors.Join(sent, err)
		default:
		}
	}
	return resp, err
}

// sendInline writes a request with a short body, or none.
func (w *wire) sendInline(req *http.Request) error {
	kept, ok := heads.Get().(*[]byte)
	if !ok {
		panic("outbound: foreign value in a buffer pool")
	}
	b, taken, err := appendRequest((*kept)[:0], req)
	if taken && err == nil {
		_, err = w.conn.Write(b)
	}
	if cap(b) <= largestHead {
		*kept = b
		heads.Put(kept)
	}
	if !taken {
		return w.send(req)
	}
	if req.Body != nil {
		_ = req.Body.Close() // it was read to its end
	}
	return err
}

func (w *wire) send(req *http.Request) error {
	out, ok := writers.Get().(*bufio.Writer)
	if !ok {
		panic("outbound: foreign value in a buffer pool")
	}
	out.Reset(w.conn)
	err := req.Write(out)
	if err == nil {
		err = out.Flush()
	}
	out.Reset(nil)
	writers.Put(out)
	return err
}

func (w *wire) sendAside(req *http.Request) {
	err := w.send(req)
	if err != nil {
		// The peer may have answered before it refused the rest.
		_ = w.conn.SetReadDeadline(time.Now().Add(lateAnswer)) // a closed one waits for nothing
		if req.Context().Err() != nil {
			w.interrupt() // which the deadline has just undone, or it was why the writing failed
		}
	}
	w.sending <- err
}

func (w *wire) answer(req *http.Request, maxHeader int64) (*http.Response, error) {
	w.headerLeft = maxHeader + 1
	for range maxInformational {
		resp, err := http.ReadResponse(w.reader, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			w.headerLeft = -1
			return resp, nil
		}
	}
	return nil, fmt.Errorf("more than %d answers 1xx", maxInformational)
}

// clean reports whether the connection stands at the start of a next exchange.
func (w *wire) clean() bool {
	if w.reader.Buffered() > 0 {
		return false
	}
	if w.sending == nil {
		return true
	}
	select {
	case err := <-w.sending:
		return err == nil
	default:
		return false // the peer answered without reading everything
	}
}
