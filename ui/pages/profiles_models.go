package pages

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// SectionProfiles lights the Profiles entry.
const SectionProfiles = "profiles"

// ProfilesPage lists the workspace's profiles.
type ProfilesPage struct {
	Shell Shell
	Rows  []ProfileRow
}

// ProfileRow is one profile in the list.
type ProfileRow struct {
	ID, Name string
	// What is its kind and its provider, in words.
	What string
	// State says whether it can be used.
	State Badge
	// Runtimes and People are counts in words.
	Runtimes, People string
	Changed          Moment
}

// ProfilePresetsPage chooses what a new profile is made from.
type ProfilePresetsPage struct {
	Shell Shell
	// Presets are providers, Others what is no sign-in at a provider.
	Presets, Others []PresetCard
}

// PresetCard is something to make a profile from.
type PresetCard struct {
	Name, Text string
	// Href is the local path of its form.
	Href string
}

// ProfileFormPage adds a profile or changes one.
type ProfileFormPage struct {
	Shell Shell
	// ID is the profile's; of a new one it is settled already, so that the redirect URI can be registered first.
	ID   string
	Edit bool
	// Name is the stored name, or what the profile is made from.
	Name string
	// Callback is the redirect URI to register at the provider; empty where there is none.
	Callback string
	// Register says where, RegisterHref leads there; both may be empty.
	Register, RegisterHref string
	// PresetFields are what the preset asks for; it has the issuer's place then.
	PresetFields []PresetField
	// Known are the scopes to tick: those of the preset, and those that are allowed.
	Known []ProfileScope
	// AskSecret shows the field of the secret in an edit form: the provider moved.
	AskSecret bool
	Values    ProfileValues
	Version   string
	Errors    FieldErrors
	Summary   string
}

// PresetField is one thing that a preset asks for.
type PresetField struct {
	Name, Label, Hint, Placeholder, Value string
}

// ProfileScope is a scope to tick.
type ProfileScope struct {
	Value, Text string
	On          bool
}

// ProfileValues are the fields of the form as they were typed. The secret is never given back.
type ProfileValues struct {
	Name, Kind, Preset                                                            string
	Discovery, Issuer, ResourceURL                                                string
	Authorization, Token, Revocation, UserInfo, Introspection, Registration, JWKS string
	Scopes                                                                        []string
	OtherScopes                                                                   string
	ClientKind, ClientID, AuthMethod, KeyAlg                                      string
	Resource, Audience                                                            string
	OmitResource                                                                  bool
	ResourceOn                                                                    []string
	ScopeSeparator, AuthorizeParams, TokenParams, OfflineScope                    string
	IdentityFrom, IdentityURL, IdentityID, IdentityName                           string
	IdentityEmail, IdentityEmailVerified                                          string
	SignIn                                                                        bool
	Match, KeepAlive                                                              string
	ScopeOnRefresh, AcceptJSON, ErrorsWith200, NoPKCE                             bool
	Rotates, DefaultLife, RefreshLife, RevokeWith, AssertionAudience              string
	KeyLabel, KeyHelp, KeyHeader, KeyFormat, KeyCheckURL                          string
	ExchangeAudience, ExchangeResource, ExchangeScopes                            string
}

// ProfilePage is one profile.
type ProfilePage struct {
	Shell    Shell
	ID, Name string
	State    Badge
	// Sub is its kind and provider, in words.
	Sub string
	// Callback is the redirect URI; empty where there is none.
	Callback               string
	Register, RegisterHref string
	// TrialHref starts a test on the workspace's origin; empty where none can be started.
	TrialHref string
	// Problem is what went wrong at the last discovery.
	Problem string
	// Moved says that the problem is about hosts that can be accepted.
	Moved bool
	// Discovers says that endpoints are discovered; else they were typed.
	Discovers  bool
	Discovered Moment
	Endpoints  []Pair
	Settings   []Pair
	Scopes     []ProfileScope
	Runtimes   []ProfileRuntime
	Counts     []ProfileCount
	Client     *ProfileClient
	Quirks     []ProfileQuirk
	Version    string
}

// ProfileRuntime is a runtime that a profile is attached to.
type ProfileRuntime struct {
	Name, Href, Needed string
	Scopes             []string
	// Tools says how many tools have scopes of their own; may be empty.
	Tools string
}

// ProfileCount counts connections in a state.
type ProfileCount struct {
	Label, Value, Href string
}

// ProfileClient is our client at the provider.
type ProfileClient struct {
	Facts []Pair
	// KeysURL is where the public keys are, Keys what stands there; both empty without a key.
	KeysURL, Keys string
	// DocumentURL is where our client ID metadata document is; empty without one.
	DocumentURL string
	// Warning is about a secret that ends.
	Warning string
	// Older are the generations before, in words.
	Older []string
}

// ProfileQuirk is something that a provider does in its own way.
type ProfileQuirk struct{ Text, Href string }

// ProfileClientPage gives a profile another client.
type ProfileClientPage struct {
	Shell            Shell
	ID, Name         string
	Callback         string
	Values           ProfileClientValues
	Version          string
	Errors           FieldErrors
	Summary, Connect string
}

// ProfileClientValues are the fields of the form. The secret is never given back.
type ProfileClientValues struct{ Kind, ID, AuthMethod, KeyAlg string }

// ProfileRemovePage asks before a profile is removed.
type ProfileRemovePage struct {
	Shell    Shell
	ID, Name string
	// Obstacle says why it cannot be removed; empty where it can.
	Obstacle string
	Impact   []string
	Typed    string
	Error    string
}

// AccessPage says what a runtime takes of a profile.
type AccessPage struct {
	Shell   Shell
	Runtime RuntimeRef
	// Choosing shows what can be attached; else the form of the chosen profile is shown.
	Choosing bool
	Options  []kit.Option
	// Chosen is the profile, empty for none; Name is its name.
	Chosen, Name string
	// What is its kind, in words; Href leads to it.
	What, Href string
	// Attached says that something is attached now, in words; may be empty.
	Attached string
	// Headers names the static headers of the runtime; may be empty.
	Headers   string
	Scopes    []ProfileScope
	Tools     []AccessTool
	NeededFor string
	// Exchange asks for an audience.
	Exchange bool
	Audience string
	Version  string
	Errors   FieldErrors
	Summary  string
}

// AccessTool is a tool with the scopes that it needs beyond the runtime's.
type AccessTool struct {
	ID, Name string
	Scopes   []ProfileScope
	Gone     bool
}

func profileTitle(p ProfileFormPage) string {
	if p.Edit {
		return "Edit " + p.Name
	}
	return "New profile: " + p.Name
}

func profileAction(p ProfileFormPage) templ.SafeURL {
	if p.Edit {
		return at(p.Shell, "profiles", p.ID, "edit")
	}
	return at(p.Shell, "profiles", "new", p.ID)
}

func profileBack(p ProfileFormPage) templ.SafeURL {
	if p.Edit {
		return at(p.Shell, "profiles", p.ID)
	}
	return at(p.Shell, "profiles", "new")
}
