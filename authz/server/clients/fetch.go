package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/outbound"
)

// fetched is an answer about a document.
type fetched struct {
	accepted
	raw   []byte
	etag  string
	fresh time.Duration
	// unchanged tells that the stored document still holds; then there is no other.
	unchanged bool
	// note is what went wrong, where the document is only a copy.
	note string
}

// fetch asks for the document of an id; etag is of the stored one. Only 200 counts, and
// 304 where there was something to compare with (draft -02, section 4).
func (c *Clients) fetch(ctx context.Context, id, etag string) (fetched, error) {
	if err := checkDocumentID(c.outbound, id); err != nil {
		return fetched{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return fetched{}, fmt.Errorf("it cannot be asked for")
	}
	req.Header.Set("Accept", "application/json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := c.outbound.Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or refused by now
	out := fetched{etag: entityTag(resp.Header.Get("ETag")), fresh: freshness(resp.Header, c.db.Clock().Now())}
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		out.unchanged = true
		if out.etag == "" {
			out.etag = etag
		}
		return out, nil
	case resp.StatusCode != http.StatusOK:
		return fetched{}, fmt.Errorf("it answers with status %d", resp.StatusCode)
	case !isJSON(resp.Header.Get("Content-Type")):
		return fetched{}, fmt.Errorf("its type is not JSON")
	}
	out.raw, err = io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return fetched{}, err
	case len(out.raw) > maxDocument:
		return fetched{}, fmt.Errorf("it is larger than %d bytes", maxDocument)
	}
	out.accepted, err = parseDocument(c.outbound, id, out.raw)
	return out, err
}

// entityTag keeps a validator that can be sent back as it is (RFC 9110, section 8.8.3).
func entityTag(raw string) string {
	if len(raw) > 256 || !Storable(raw) || !strings.HasSuffix(raw, `"`) {
		return ""
	}
	return raw
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

// detail is a failure in words for the workspace's own people.
func detail(err error) string {
	if out, ok := errors.AsType[*outbound.Error](err); ok {
		return out.Public()
	}
	return err.Error()
}
