package enduser

// ConnectPage asks a person to connect an account at a provider behind a runtime.
type ConnectPage struct {
	// Page is the frame.
	Page Page
	// Field and ID name in the form what this is for: an attempt, a link or a profile.
	Field, ID string
	// Name is the profile's.
	Name string
	// Host is the provider's; empty for an API key.
	Host string
	// Client and Runtime ask for it; Client may be empty, and Runtime too on the person's own page.
	Client, Runtime string
	// ClientVerified says that the name is not only the client's own word.
	ClientVerified bool
	// AccountName and AccountEmail are who is signed in here.
	AccountName, AccountEmail string
	// SwitchID is what goes on after “Not you?”; empty does not offer it.
	SwitchID string
	// NoteTitle and Note say how the connection stands so far, in Tone; both empty for nothing.
	Tone, NoteTitle, Note string
	// Scopes are the permissions that are asked for at the provider.
	Scopes []ConnectScope
	// Key asks for an API key.
	Key *ConnectKey
	// Again says that there is a connection, which is renewed.
	Again bool
	// Skip offers to go on without; Cancel to answer the client with a no.
	Skip, Cancel bool
	// BackHref leads away; empty shows nothing.
	BackHref string
}

// ConnectKey is the field of an API key.
type ConnectKey struct{ Label, Help, Error string }

// ConnectScope is a permission at a provider.
type ConnectScope struct {
	// Name is the provider's id, Text what it means; Text may be empty.
	Name, Text string
	// Fresh marks what the connection does not have yet, where it has others.
	Fresh bool
}

// ConnectSignInPage stands before the sign-in at a profile's provider.
type ConnectSignInPage struct {
	// Page is the frame.
	Page Page
	// Attempt is the opaque id of what goes on afterwards.
	Attempt string
	// Profile names the provider in the form.
	Profile string
	// Name is the profile's display name, Host the provider's host.
	Name, Host string
	// Runtime, Identity and Redirect are what the person is about to connect; Runtime is empty for their own page.
	Runtime  string
	Identity Identity
	Redirect Redirect
	// Scopes are the permissions that are asked for at the provider.
	Scopes []ConnectScope
	// BackHref leads to the other ways to sign in; empty shows none.
	BackHref string
}

// ConnectOtherPage is a link that was made for somebody else.
type ConnectOtherPage struct {
	// Page is the frame.
	Page Page
	// For is whom the link is for, Me who is signed in.
	For, Me string
	// SwitchID is what goes on after signing out.
	SwitchID string
}

// ConnectProblemPage is a way to a provider that does not go on.
type ConnectProblemPage struct {
	// Page is the frame.
	Page Page
	// Code, Title, Text and Cure are as in ErrorPageView.
	Code, Title, Text, Cure string
	// Expected and Got are the accounts of a mismatch; both empty otherwise.
	Expected, Got string
	// Name is the provider's display name.
	Name string
	// SwitchID is what goes on after signing out here; empty does not offer it.
	SwitchID string
	// BackHref leads back to where the person stood; empty shows none.
	BackHref string
	// RequestID and TraceID are to quote; may be empty.
	RequestID, TraceID string
}

// ConnectDonePage says that an account is connected.
type ConnectDonePage struct {
	// Page is the frame.
	Page Page
	// Name is the profile's, Account the account's name at the provider; Account may be empty.
	Name, Account string
	// Scopes are the permissions of the connection, Lacking those that were asked for and not given.
	Scopes, Lacking []ConnectScope
}

// ConnectTrialPage is the administrator's test of a profile.
type ConnectTrialPage struct {
	// Page is the frame.
	Page Page
	// Name is the profile's, Host the provider's.
	Name, Host string
	// Profile and Ticket go along with the form.
	Profile, Ticket string
	// Scopes are the permissions that are asked for.
	Scopes []ConnectScope
}

// ConnectTrialResult is what a test found.
type ConnectTrialResult struct {
	// Page is the frame.
	Page Page
	// Name is the profile's.
	Name string
	// Warnings say what would not work; none is a good result.
	Warnings []string
	// Facts are lines about tokens and refreshing, Claims the masked claims.
	Facts, Claims []TrialFact
	// Scopes were granted, Refused were not.
	Scopes, Refused []string
}

// Connection is an account that a person has connected.
type Connection struct {
	// ID is unique in the page and fit for an id attribute.
	ID string
	// Name is the profile's.
	Name string
	// Account is the account's name at the provider; may be empty.
	Account string
	// State is a word for how it stands, in Tone; Reason says why, may be empty.
	State, Tone, Reason string
	// Scopes are its permissions.
	Scopes []ConnectScope
	// Connected, Used and Next are when it was made, last used and is renewed next.
	Connected, Used, Next Moment
	// ConnectHref leads to the page that connects it, with ConnectText.
	ConnectHref, ConnectText string
	// DisconnectHref leads to the page that asks before it is ended; empty where there is nothing to end.
	DisconnectHref string
}

// DisconnectPage asks before a connection is ended.
type DisconnectPage struct {
	// Page is the frame.
	Page Page
	// Name is the profile's, Profile its id, Account the account's name at the provider.
	Name, Profile, Account string
	// Key says that it is an API key, which nobody can take back for the person.
	Key bool
	// SignIn says that the provider is the person's sign-in too.
	SignIn bool
}
