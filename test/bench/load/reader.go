package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// reader reads answers from a connection.
type reader struct {
	r    io.Reader
	buf  []byte
	n    int // bytes in buf
	body []byte
}

type answer struct {
	status int
	body   []byte
	first  time.Time // when the body's first byte was there
}

const bufferSize = 8 << 10

func newReader(r io.Reader) *reader { return &reader{r: r, buf: make([]byte, bufferSize)} }

var (
	headerEnd     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	chunked       = []byte("\r\nTransfer-Encoding: chunked")
)

// more reads what is there.
func (r *reader) more() error {
	if r.n == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.r.Read(r.buf[r.n:])
	r.n += n
	if n > 0 {
		return nil
	}
	return err
}

// take drops the first bytes.
func (r *reader) take(n int) {
	copy(r.buf, r.buf[n:r.n])
	r.n -= n
}

func (r *reader) answer() (answer, error) {
	head := bytes.Index(r.buf[:r.n], headerEnd)
	for ; head < 0; head = bytes.Index(r.buf[:r.n], headerEnd) {
		if err := r.more(); err != nil {
			return answer{}, err
		}
	}
	header := r.buf[:head+2]
	if len(header) < 12 || !bytes.HasPrefix(header, []byte("HTTP/1.1 ")) {
		return answer{}, fmt.Errorf("not an answer: %.40q", header)
	}
	status, err := strconv.Atoi(string(header[9:12]))
	if err != nil {
		return answer{}, fmt.Errorf("not an answer: %.40q", header)
	}
	a := answer{status: status}
	if at := bytes.Index(header, contentLength); at >= 0 {
		value := header[at+len(contentLength):]
		length, err := strconv.Atoi(string(value[:bytes.IndexByte(value, '\r')]))
		if err != nil {
			return answer{}, fmt.Errorf("length of the answer: %w", err)
		}
		err = r.whole(&a, head+4, length)
		return a, err
	}
	if !bytes.Contains(header, chunked) {
		return answer{}, errors.New("the answer has no length")
	}
	r.take(head + 4)
	err = r.chunks(&a)
	return a, err
}

func (r *reader) whole(a *answer, head, length int) error {
	for r.n <= head && length > 0 {
		if err := r.more(); err != nil {
			return err
		}
	}
	a.first = time.Now()
	for r.n < head+length {
		if err := r.more(); err != nil {
			return err
		}
	}
	r.body = append(r.body[:0], r.buf[head:head+length]...)
	a.body = r.body
	r.take(head + length)
	return nil
}

func (r *reader) chunks(a *answer) error {
	r.body = r.body[:0]
	for {
		line := bytes.IndexByte(r.buf[:r.n], '\n')
		if line < 0 {
			if err := r.more(); err != nil {
				return err
			}
			continue
		}
		size, err := strconv.ParseUint(string(bytes.TrimRight(r.buf[:line], "\r")), 16, 31)
		if err != nil {
			return fmt.Errorf("chunk: %w", err)
		}
		if a.first.IsZero() {
			a.first = time.Now()
		}
		whole := line + 1 + int(size) + 2
		for r.n < whole {
			if err := r.more(); err != nil {
				return err
			}
		}
		r.body = append(r.body, r.buf[line+1:line+1+int(size)]...)
		r.take(whole)
		if size == 0 {
			a.body = r.body
			return nil
		}
	}
}
