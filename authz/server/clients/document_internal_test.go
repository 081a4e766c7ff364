package clients

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
)

// TestC8OneSpelling: of all ways to write a document's address one is an id, so that no
// two ids are one client.
func TestC8OneSpelling(t *testing.T) {
	t.Parallel()
	strict, open := outbound.New(outbound.Config{}), outbound.New(outbound.Config{AllowPrivate: true})
	for _, id := range []string{"https://app.example/client.json", "https://app.example/", "https://app.example:8443/c", "https://app.example/c?v=1", "https://app.example/a%20b", "https://app.example//c"} {
		require.NoError(t, checkDocumentID(strict, id), id)
	}
	for _, id := range []string{
		"https://app.example", "https://APP.example/c", "https://app.example:443/c", "https://app.example/c?", "https://app.example/c#", "https://app.example?c", "https://app.example/%2E/c", "https://app.example./c",
		"https://user@app.example/c", "https://app.example/ä", "http://app.example/c", "http://127.0.0.1/c", "https://127.0.0.1/c", "https://localhost/c", "https://app.example/c d",
	} {
		require.Error(t, checkDocumentID(strict, id), id)
	}
	require.NoError(t, checkDocumentID(open, "http://localhost:8080/c"), "whoever develops a client")
	require.NoError(t, checkDocumentID(open, "http://[::1]:8080/c"))
	for _, id := range []string{"http://LOCALHOST:8080/c", "http://localhost:80/c", "http://192.168.1.1/c", "http://app.example/c", "http://[0:0:0:0:0:0:0:1]/c"} {
		require.Error(t, checkDocumentID(open, id), id)
	}
}
