package enduser

// Page is what every page on a tenant's origin has.
type Page struct {
	// Tenant is the workspace's display name.
	Tenant string
	// Host is the real host (and port) of this page's address, such as "acme.mcp.example.com" or "localhost:8081".
	Host string
	// CSRF is the token put in every POST form.
	CSRF string
}

// SignInPage is GET and POST /sign-in on a tenant's origin.
type SignInPage struct {
	// Page is the frame.
	Page Page
	// Attempt is the opaque id of the pending authorization.
	Attempt string
	// Client is the client's self-given name, cleaned and cut by the caller; may be empty.
	Client string
	// Runtime is the runtime's display name.
	Runtime string
	// Email is the typed e-mail address.
	Email string
	// Errors are messages by field: email, password.
	Errors map[string]string
	// Summary is the message over the form, such as "The e-mail or the password is wrong."
	Summary string
	// SignUpHref is the absolute console address for people without an account; empty shows none.
	SignUpHref string
}

// Kinds of redirect, for Redirect.Kind.
const (
	// RedirectWeb is an https address of another host.
	RedirectWeb = "web"
	// RedirectLoopback is an address on the person's own computer.
	RedirectLoopback = "loopback"
	// RedirectApp is a custom scheme that an installed app answers.
	RedirectApp = "app"
)

// Redirect is where the answer goes.
type Redirect struct {
	// Kind is one of the Redirect constants.
	Kind string
	// Shown is the host ("claude.ai"), host and port ("localhost:33418") or the app's scheme ("cursor").
	Shown string
}

// Scope is one thing that the client asks for.
type Scope struct {
	// Title says it in words, such as "Use the tools of Todos".
	Title string
	// Text says more; may be empty.
	Text string
	// ID is the scope's own name, such as "mcp:tools".
	ID string
}

// ConsentPage is GET and POST /consent on a tenant's origin.
type ConsentPage struct {
	// Page is the frame.
	Page Page
	// Attempt is the opaque id of the pending authorization.
	Attempt string
	// Client is the client's self-given name, cleaned and cut by the caller; empty says that it gives none.
	Client string
	// ClientKind says in words how we know it, such as "Registered itself 2 minutes ago"; may be empty.
	ClientKind string
	// Redirect is where the answer goes.
	Redirect Redirect
	// Runtime is the runtime's display name.
	Runtime string
	// MCPURL is the resource that the token is for.
	MCPURL string
	// Scopes are what is asked for, in words.
	Scopes []Scope
	// AccountName is the signed-in person's name; may be empty.
	AccountName string
	// AccountEmail is the signed-in person's e-mail.
	AccountEmail string
	// SwitchAction is the local path that the "Not you?" form posts to; its fields are csrf and attempt.
	SwitchAction string
	// Duration says how long the access lasts, such as "Until you or an admin take it back."
	Duration string
	// Error is a message over the page, such as "Please choose again."; empty shows none.
	Error string
}

// ErrorPageView is a page that says what went wrong; it never redirects.
type ErrorPageView struct {
	// Page is the frame; an empty Tenant is an unknown origin.
	Page Page
	// Code is the HTTP status, such as "400".
	Code string
	// Title is the short heading, such as "This sign-in has expired".
	Title string
	// Text is the plain cause.
	Text string
	// Cure says who can do what, such as "Start again from the app."
	Cure string
	// RequestID is the id to quote; empty shows none.
	RequestID string
}

// SignedOutPage says that the person is signed out here.
type SignedOutPage struct {
	// Page is the frame.
	Page Page
	// Text says what to do next; may be empty.
	Text string
}
