package edge

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/oauthwire"
)

// serveMetadata answers protected-resource metadata at the path-inserted URL only:
// the origin itself is no MCP URL, so there is none at the root.
func (f *Front) serveMetadata(w http.ResponseWriter, r *http.Request, tenant *snapshot.Tenant, rest string) {
	allowAnyOrigin(w.Header())
	var target *snapshot.Edge
	if strings.HasPrefix(rest, "/") {
		if slug, ok := mcpSlug(rest); ok {
			target = tenant.Edges[slug]
		}
	}
	if target == nil {
		answerPlain(w, http.StatusNotFound, "not_found", "There is no protected resource at this path.")
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		answerPreflight(w, r, "GET, HEAD")
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		answerPlain(w, http.StatusMethodNotAllowed, "method_not_allowed", "This document can only be read.")
		return
	}
	metadata := oauthwire.ResourceMetadata{
		Resource:               target.Resource,
		AuthorizationServers:   []string{tenant.Issuer},
		ScopesSupported:        slices.Concat(target.Scopes, target.Initial),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           target.Name,
		DPoPRequired:           tenant.DPoPRequired,
	}
	if tenant.DPoP {
		metadata.DPoPAlgorithms = dpop.Algorithms
	}
	body, err := json.Marshal(metadata)
	if err != nil {
		f.log.ErrorContext(r.Context(), "write resource metadata", "error", err)
		answerPlain(w, http.StatusInternalServerError, "server_error", "Something went wrong on our side.")
		return
	}
	w.Header().Set("Cache-Control", "max-age=60")
	// Anybody can see by it whether two edges serve the same configuration.
	w.Header().Set("Emcy-Generation", strconv.FormatUint(tenant.Generation, 10))
	f.traceMetadata(r, tenant, target)
	writeJSON(w, http.StatusOK, body)
}
