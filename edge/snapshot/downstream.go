package snapshot

// Need says which requests cannot do without the person's downstream token.
type Need string

// The needs. Where a person has a grant, the token goes along with every request.
const (
	NeedNothing    Need = "nothing"
	NeedCalls      Need = "calls"      // tools/call, prompts/get, resources/read
	NeedEverything Need = "everything" // all but ping and notifications
)

// AnyTool stands for every tool in ToolScopes.
const AnyTool = "*"

// Kinds of profiles.
const (
	KindOAuth    = "oauth"
	KindAPIKey   = "api_key"
	KindExchange = "exchange"
)

// Downstream is what a runtime needs of its callers' own access to the API behind it: the attachment of
// a profile.
type Downstream struct {
	ProfileID, ProfileName string
	Kind                   string
	Need                   Need
	// Scopes are what every grant for this runtime has to hold.
	Scopes []string
	// ToolScopes are all that a call of a tool needs, Scopes among them, by the tool's name or AnyTool.
	ToolScopes map[string][]string
	// Allowed are the scopes that may be asked for when a runtime says that it needs more.
	Allowed []string
	// Header carries an API key, written by Format with "{key}" in the key's place. Empty ones leave it to the
	// runtime's contract.
	Header, Format string
	// Audience is whom the token is for, where the provider wants to be told.
	Audience string
}

// ForTool gives the scopes that a call of a tool needs.
func (d *Downstream) ForTool(name string) []string {
	if len(d.ToolScopes) == 0 {
		return d.Scopes
	}
	if scopes, ok := d.ToolScopes[name]; ok {
		return scopes
	}
	if scopes, ok := d.ToolScopes[AnyTool]; ok {
		return scopes
	}
	return d.Scopes
}
