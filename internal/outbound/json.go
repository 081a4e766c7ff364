package outbound

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// GetJSON fetches a JSON document of at most maxBytes (the client's cap where that is smaller or
// maxBytes is zero) into dst, strictly: status 200, a JSON media type, exact member names, no duplicates.
// It returns the answer's header, for its cache rules.
func (c *Client) GetJSON(ctx context.Context, rawURL string, maxBytes int64, dst any) (http.Header, error) {
	u, err := c.CheckURL(rawURL)
	if err != nil {
		return nil, err
	}
	req, err := newGet(ctx, u)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or refused by now
	if resp.StatusCode != http.StatusOK {
		words := "it answers with status " + strconv.Itoa(resp.StatusCode)
		return nil, &Error{Kind: KindStatus, Status: resp.StatusCode, words: words}
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return nil, fail(KindContent, "the answer's type is not JSON", nil)
	}
	var body io.Reader = resp.Body
	if maxBytes > 0 && maxBytes < c.cfg.MaxBody {
		body = &cappedBody{body: resp.Body, left: maxBytes}
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, Classify(err)
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return nil, fail(KindContent, "the answer is not the JSON document that was expected", err)
	}
	return resp.Header, nil
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}
