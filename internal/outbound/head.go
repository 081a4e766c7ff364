package outbound

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// heads lend the memory in which a short request is put together.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// largestHead is the most that goes back into the pool.
const largestHead = 64 << 10

// appendRequest puts a request together that has nothing unusual about it, to be
// written in one piece, and reports whether it has not: everything else is for
// http.Request.Write, which sorts, sanitises and chooses. It reads the body only of
// a request that it takes, and an error is the body's.
func appendRequest(b []byte, req *http.Request) (_ []byte, taken bool, err error) {
	u := req.URL
	withBody := req.Body != nil && req.ContentLength > 0 && req.ContentLength <= inlineBody
	bodiless := req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == http.MethodDelete)
	plain := req.Host == "" && u.Opaque == "" && u.User == nil && !req.Close && len(req.TransferEncoding) == 0 && len(req.Trailer) == 0
	if !plain || !withBody && !bodiless || !httpguts.ValidHeaderFieldName(req.Method) || !plainHost(u.Host) {
		return b, false, nil
	}
	target := u.RequestURI()
	if target == "" || target[0] != '/' || strings.ContainsAny(target, " \r\n\x00\t\x7f") {
		return b, false, nil
	}
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, u.Host...)
	b = append(b, "\r\n"...)
	for name, values := range req.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			return b, false, nil
		case "User-Agent":
			if len(values) == 1 && values[0] == "" {
				continue // none is to be sent
			}
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return b, false, nil
		}
		for _, value := range values {
			if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0 {
				return b, false, nil
			}
			b = append(append(b, name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		return b, false, nil // the library has a default for it
	}
	if !withBody {
		return append(b, "\r\n"...), true, nil
	}
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, req.ContentLength, 10), "\r\n\r\n"...)
	head, length := len(b), int(req.ContentLength)
	for cap(b) < head+length {
		b = append(b[:cap(b)], 0)
	}
	b = b[:head+length]
	_, err = io.ReadFull(req.Body, b[head:])
	return b, true, err
}

// plainHost reports whether a host can stand in a Host header as it is: a name or an
// IPv4 address, with or without a port.
func plainHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == ':':
		default:
			return false
		}
	}
	return host != ""
}
