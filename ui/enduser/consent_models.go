package enduser

// Kinds of redirect, for Redirect.Kind.
const (
	// RedirectWeb is an https address of another host.
	RedirectWeb = "web"
	// RedirectLoopback is an address on the person's own computer.
	RedirectLoopback = "loopback"
	// RedirectApp is a custom scheme that an installed app answers.
	RedirectApp = "app"
	// RedirectDevice is a device that waits for the answer itself.
	RedirectDevice = "device"
)

// Redirect is where the answer goes.
type Redirect struct {
	// Kind is one of the Redirect constants.
	Kind string
	// Shown is the host ("claude.ai"), host and port ("localhost:33418") or the app's scheme ("cursor").
	Shown string
}

// Kinds of identity, for Identity.Kind.
const (
	// IdentityKnown is in the catalogue of well-known apps and has proven it.
	IdentityKnown = "known"
	// IdentityAdded was entered by the workspace's administrators.
	IdentityAdded = "added"
	// IdentityDocument is vouched for by the website that serves its metadata document.
	IdentityDocument = "document"
	// IdentityItself registered itself; nobody vouches for it.
	IdentityItself = "itself"
	// IdentityLookalike uses a brand's name and does not answer to an address of that brand.
	IdentityLookalike = "lookalike"
)

// Identity is who asks.
type Identity struct {
	// Kind is one of the Identity constants.
	Kind string
	// Name is the verified name, or the one that the client gave itself, cleaned and cut by the caller.
	Name string
	// Host is the website of a metadata document; may be empty.
	Host string
	// Workspace is the workspace's display name.
	Workspace string
	// Brand is what a lookalike looks like.
	Brand string
	// Since says how old this knowledge is, such as "Checked 2 minutes ago."; may be empty.
	Since string
}

// Grades of scopes, for ScopeGroup.Grade.
const (
	// GradeRead changes nothing.
	GradeRead = "read"
	// GradeChange changes something.
	GradeChange = "change"
	// GradeDanger may delete or overwrite something.
	GradeDanger = "danger"
)

// ScopeGroup holds the scopes that can do equally much.
type ScopeGroup struct {
	// Grade is one of the Grade constants.
	Grade string
	// Title says it in words, such as "It will be able to change".
	Title string
	// Scopes are at least one.
	Scopes []Scope
}

// Scope is one thing that the client asks for.
type Scope struct {
	// ID is the scope's own name, such as "tickets:read".
	ID string
	// Title says it in the workspace's words, such as "Read tickets".
	Title string
	// Text says more; may be empty.
	Text string
	// Fixed says that there is no yes without it.
	Fixed bool
	// Mark is a remark beside it, such as "New"; New tells that one from the quiet ones.
	Mark string
	New  bool
	// Count says how many tools it opens, such as "12 tools: 9 read, 3 change"; empty for none.
	Count string
	// Tools are their names.
	Tools []ToolGroup
}

// ToolGroup is the tools of one grade that a scope opens.
type ToolGroup struct {
	// Title says the grade, such as "Read".
	Title string
	// Names are the tools, with what is hidden in them taken out.
	Names []string
	// More says how many are left out; empty for none.
	More string
}

// Life is one answer to how long.
type Life struct {
	// Value goes with the form and into an id: letters, digits.
	Value string
	// Title says it, such as "30 days".
	Title string
	// Text says more; may be empty.
	Text string
	// Chosen is the one for who does not choose.
	Chosen bool
}

// ConsentPage is GET and POST /consent on a tenant's origin.
type ConsentPage struct {
	// Page is the frame.
	Page Page
	// Attempt is the opaque id of the pending authorization.
	Attempt string
	// Identity is who asks.
	Identity Identity
	// Redirect is where the answer goes.
	Redirect Redirect
	// Runtime is the runtime's display name.
	Runtime string
	// MCPURL is the resource that the token is for.
	MCPURL string
	// Groups are what is asked for, the mildest first.
	Groups []ScopeGroup
	// Lives are the answers to how long, the shortest first.
	Lives []Life
	// Account stands for the account that the page names, so that an answer is given as that one and no other.
	Account string
	// AccountName is the signed-in person's name; may be empty.
	AccountName string
	// AccountEmail is the signed-in person's e-mail.
	AccountEmail string
	// SwitchAction is the local path that the "Not you?" form posts to; its fields are csrf and attempt.
	SwitchAction string
	// Error is a message over the page, such as "Please choose again."; empty shows none.
	Error string
}

// DonePage ends an attempt at a device.
type DonePage struct {
	// Page is the frame.
	Page Page
	// Title says what was decided.
	Title string
	// Text says where to go on.
	Text string
}
