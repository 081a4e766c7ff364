package enduser

// AppsPage is GET /me/apps on a tenant's origin.
type AppsPage struct {
	// Page is the frame.
	Page Page
	// AccountName is the signed-in person's name; may be empty.
	AccountName string
	// AccountEmail is the signed-in person's e-mail.
	AccountEmail string
	// Apps are what can act for the person, the last connected first.
	Apps []App
	// Connections are the accounts that the person has connected, or could.
	Connections []Connection
	// Flash says that the request before worked; empty for nothing.
	Flash string
}

// App is a client at a runtime.
type App struct {
	// ID is unique in the page and fit for an id attribute.
	ID string
	// ClientID and RuntimeID name it in the form that ends it.
	ClientID, RuntimeID string
	// Name is the verified name, or the one that the client gave itself, cleaned and cut by the caller.
	Name string
	// Verified says that the name is not only the client's own word.
	Verified bool
	// Origin says how it is known, such as "Not verified: it registered itself".
	Origin string
	// Runtime is the runtime's display name.
	Runtime string
	// Scopes are what it may do, in the workspace's words.
	Scopes []string
	// First is when it was connected, Last its latest call and Ends when it ends by itself.
	First, Last, Ends Moment
	// CallsTitle says how many calls follow, such as "Last 3 calls".
	CallsTitle string
	// Calls are the latest ones, newest first.
	Calls []Call
}

// Call is something that an app did.
type Call struct {
	// Tool is the tool's name, or the method's where no tool was called.
	Tool string
	// At is when.
	At Moment
	// Outcome is a word for how it ended, in the tone of kit.
	Outcome, Tone string
}
