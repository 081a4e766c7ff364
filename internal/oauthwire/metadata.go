package oauthwire

// ResourceMetadataPath is where the metadata of a protected resource stands: this, followed by the
// resource's path (RFC 9728, section 3.1).
const ResourceMetadataPath = "/.well-known/oauth-protected-resource"

// ResourceMetadata is the protected-resource metadata document of RFC 9728.
type ResourceMetadata struct {
	// Resource equals the MCP URL byte for byte; clients compare it as a string.
	Resource               string   `json:"resource"`
	AuthorizationServers   []string `json:"authorization_servers"`
	ScopesSupported        []string `json:"scopes_supported"`
	BearerMethodsSupported []string `json:"bearer_methods_supported"`
	ResourceName           string   `json:"resource_name,omitempty"`
	// DPoPAlgorithms and DPoPRequired say whether tokens can, or must, be bound to a key (RFC 9728, section 2).
	DPoPAlgorithms []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired   bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}
