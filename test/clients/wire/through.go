package wire

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Through is a wire for a client of this process: it breaks the answers of a
// transport and leaves the origin's name as it is.
func Through(next http.RoundTripper, breaks Break) http.RoundTripper {
	return through{next, breaks}
}

type through struct {
	next   http.RoundTripper
	breaks Break
}

func (t through) RoundTrip(req *http.Request) (*http.Response, error) {
	var asked []byte
	if req.Body != nil {
		var err error
		asked, err = io.ReadAll(io.LimitReader(req.Body, maxBody))
		_ = req.Body.Close() // it was read
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(asked)), int64(len(asked))
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	_ = res.Body.Close() // it was read
	if err != nil {
		return nil, err
	}
	a := &Answer{Request: req, Asked: asked, Status: res.StatusCode, Header: res.Header, Body: body}
	t.breaks(a)
	res.StatusCode, res.Status = a.Status, strconv.Itoa(a.Status)+" "+http.StatusText(a.Status)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(a.Body)), int64(len(a.Body))
	if req.Method != http.MethodHead {
		res.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	return res, nil
}
