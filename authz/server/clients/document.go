package clients

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/internal/outbound"
)

const (
	maxDocument          = 64 << 10 // bytes
	maxDocumentRedirects = 32
)

// isDocumentID tells an id that is the URL of a metadata document: ids that are made here
// never begin so.
func isDocumentID(id string) bool {
	return strings.HasPrefix(id, "https://") || strings.HasPrefix(id, "http://")
}

// checkDocumentID holds an id against the rules for such URLs (draft-ietf-oauth-client-
// id-metadata-document-02, section 3): https, a path, and only one way to write it. Where
// private addresses are open, http on loopback is, too, for whoever develops a client.
func checkDocumentID(c *outbound.Client, id string) error {
	u, err := c.CheckURL(id)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme == "http" && !isLoopback(u):
		return fmt.Errorf("plain http is for loopback only")
	case u.String() != id:
		return fmt.Errorf("the URL is not in its plain form, or has no path")
	case u.RawQuery == "" && strings.HasSuffix(id, "?"):
		return fmt.Errorf("the URL ends in a question mark")
	}
	return nil
}

// document is a client's metadata as its makers publish it (draft -02, section 4). Members
// that mean nothing here are ignored, whatever they hold.
type document struct {
	ClientID                string         `json:"client_id"`
	ClientName              string         `json:"client_name"`
	ClientURI               string         `json:"client_uri,omitempty"`
	RedirectURIs            []string       `json:"redirect_uris"`
	ApplicationType         string         `json:"application_type,omitempty"`
	GrantTypes              []string       `json:"grant_types,omitempty"`
	TokenEndpointAuthMethod string         `json:"token_endpoint_auth_method,omitempty"`
	MethodsSupported        []string       `json:"token_endpoint_auth_methods_supported,omitempty"`
	Methods                 []string       `json:"token_endpoint_auth_methods,omitempty"`
	JWKS                    jsontext.Value `json:"jwks,omitempty"`
	JWKSURI                 string         `json:"jwks_uri,omitempty"`
	ClientSecret            jsontext.Value `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   jsontext.Value `json:"client_secret_expires_at,omitempty"`
	SoftwareID              string         `json:"software_id,omitempty"`
	SoftwareVersion         string         `json:"software_version,omitempty"`
	DPoPBound               bool           `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR              bool           `json:"require_pushed_authorization_requests,omitempty"`
}

// parseDocument reads the document of an id into what is stored of it.
func parseDocument(c *outbound.Client, id string, raw []byte) (accepted, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return accepted{}, fmt.Errorf("it is not a JSON document of the right form")
	}
	switch {
	case d.ClientID != id:
		return accepted{}, fmt.Errorf("its client_id is not its own URL")
	case cleanName(d.ClientName) == "":
		return accepted{}, fmt.Errorf("it has no client_name")
	case len(d.RedirectURIs) == 0:
		return accepted{}, fmt.Errorf("it has no redirect_uris")
	case len(d.RedirectURIs) > maxDocumentRedirects:
		return accepted{}, fmt.Errorf("it has more than %d redirect_uris", maxDocumentRedirects)
	case present(d.ClientSecret) || present(d.ClientSecretExpiresAt):
		return accepted{}, fmt.Errorf("it holds a client_secret, which everybody can read there")
	}
	uris := registrable(d.RedirectURIs)
	if len(uris) == 0 {
		return accepted{}, fmt.Errorf("none of its redirect_uris can be used")
	}
	out := accepted{
		Metadata: Metadata{
			RedirectURIs: uris, ClientName: cleanName(d.ClientName), ClientURI: webURL(d.ClientURI), ApplicationType: "native",
			GrantTypes: acceptedGrants(d.GrantTypes), SoftwareID: cut(cleanText(d.SoftwareID), 128), SoftwareVersion: cut(cleanText(d.SoftwareVersion), 64),
			DPoPBound: d.DPoPBound, RequirePAR: d.RequirePAR,
		},
	}
	if d.ApplicationType == "web" {
		out.ApplicationType = "web"
	}
	return out, d.method(c, &out)
}

// accepted is what is kept of a document.
type accepted struct {
	Metadata
	alsoNone bool
}

// method settles how the client proves itself. private_key_jwt where the document names
// it, and also nothing where its list offers both; a shared secret never, because there
// is nobody to share it with (draft -02, section 4.1).
func (d document) method(c *outbound.Client, out *accepted) error {
	listed := slices.Concat(d.MethodsSupported, d.Methods)
	named := slices.Contains(listed, AuthPrivateKey)
	none := slices.Contains(listed, AuthNone)
	switch d.TokenEndpointAuthMethod {
	case AuthPrivateKey:
		named = true
	case AuthNone:
		none = true
	case "":
		none = none || len(listed) == 0
	default:
		return fmt.Errorf("its token_endpoint_auth_method is neither none nor private_key_jwt")
	}
	if present(d.JWKS) && d.JWKSURI != "" {
		return fmt.Errorf("it has both jwks and jwks_uri")
	}
	keys := present(d.JWKS) || d.JWKSURI != ""
	switch {
	case named && keys:
		out.TokenEndpointAuthMethod, out.alsoNone = AuthPrivateKey, none
		out.JWKS, out.JWKSURI = d.JWKS, d.JWKSURI
		return checkKeys(c, d.JWKS, d.JWKSURI)
	case none:
		out.TokenEndpointAuthMethod = AuthNone
		return nil
	case named:
		return fmt.Errorf("it asks for private_key_jwt and has no keys")
	}
	return fmt.Errorf("it offers neither none nor private_key_jwt")
}

// hostOf is the host in lower case, "" where there is none.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
