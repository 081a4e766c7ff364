package pages

// SectionIdentity lights the Sign-in entry.
const SectionIdentity = "identity"

// IdentityPage lists how people sign in at the workspace's address.
type IdentityPage struct {
	// Shell is the frame.
	Shell Shell
	// Rows are the providers, by name.
	Rows []ProviderRow
}

// ProviderRow is a provider in the list.
type ProviderRow struct {
	ID, Name, Issuer string
	// State is On or Off.
	State Badge
	// Who says whom it lets in.
	Who     string
	Changed Moment
}

// ProviderFormPage adds a provider or changes one.
type ProviderFormPage struct {
	// Shell is the frame.
	Shell Shell
	// ID is the provider's; of a new one it is settled already, so that the callback can be registered first.
	ID string
	// Edit says that the provider is stored.
	Edit bool
	// Name is the stored name.
	Name string
	// Callback is the address to register at the provider.
	Callback string
	// TrialHref starts a test on the workspace's origin; empty where none can be started.
	TrialHref string
	Values    ProviderValues
	// Errors are messages by field.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
}

// ProviderValues are the fields of the form. The secret is never given back.
type ProviderValues struct {
	Name, Issuer, ClientID, Scopes, EmailClaim, NameClaim, GroupsClaim string
	// AllowedDomains and AllowedGroups have one entry to a line.
	AllowedDomains, AllowedGroups string
	// HasSecret says that one is stored.
	HasSecret, DropSecret, Enabled bool
	Version                        string
}

// ProviderRemovePage asks before a provider is removed.
type ProviderRemovePage struct {
	// Shell is the frame.
	Shell Shell
	// ID and Name are the provider's.
	ID, Name string
	// Impact says what happens.
	Impact []string
	// Typed is what was typed, Error the message by it.
	Typed, Error string
}

// EndUsersPage lists people who came from a provider.
type EndUsersPage struct {
	// Shell is the frame.
	Shell Shell
	// Query is what was searched.
	Query string
	// Found says how many there are.
	Found string
	Rows  []EndUserRow
}

// EndUserRow is a person in the list.
type EndUserRow struct {
	ID, Email, Name, Provider, Groups string
	Blocked                           bool
	SignedIn                          Moment
}
