package enduser

import (
	"strings"

	"github.com/a-h/templ"
)

// ProviderLink leads to the sign-in at one of the workspace's providers.
type ProviderLink struct {
	// Name is the provider's display name.
	Name string
	// Href is the local path of its page.
	Href string
}

// ProviderPage is GET /sign-in/{provider} on a tenant's origin.
type ProviderPage struct {
	// Page is the frame.
	Page Page
	// Name is the provider's display name.
	Name string
	// Host is the host of the provider's issuer.
	Host string
	// Action is the local path that the form is posted to.
	Action string
	// Attempt is the opaque id of the pending authorization; empty in a trial.
	Attempt string
	// Trial is the ticket of a trial; empty in a real sign-in.
	Trial string
	// Client and Runtime are what the person is about to connect; both empty in a trial.
	Client, Runtime string
	// BackHref leads back to the other ways to sign in; empty shows none.
	BackHref string
}

// TrialPage says what a provider answered in a trial.
type TrialPage struct {
	// Page is the frame.
	Page Page
	// Name is the provider's display name.
	Name string
	// Refusal says what the person lacks who would not be let in; empty where they would.
	Refusal string
	// Facts are what was read from the claims, masked.
	Facts []TrialFact
	// Claims are all that came, without their values.
	Claims []TrialFact
}

// TrialFact is a line of a trial.
type TrialFact struct{ Name, Value string }

// localPath lets only a path of this origin through.
func localPath(path string) templ.SafeURL {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.HasPrefix(path, `/\`) {
		return templ.SafeURL("/")
	}
	return templ.SafeURL(path)
}
