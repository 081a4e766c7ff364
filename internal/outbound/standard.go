package outbound

import "net/http"

// Standard returns the client in the shape that libraries take. Every rule of Do
// holds, and its errors are found in the returned ones by errors.As; a redirect is an
// error, never followed.
func (c *Client) Standard() *http.Client {
	return &http.Client{
		Transport:     standard{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type standard struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (s standard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.c.Do(req)
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // a RoundTripper closes the body, also of a request that was never sent
	}
	return resp, err
}
