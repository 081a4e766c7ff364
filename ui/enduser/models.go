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

// Moment is a point in time, ready to show.
type Moment struct {
	// ISO is the instant in RFC 3339, UTC. Empty means "never": nothing is rendered.
	ISO string
	// Text is the time as shown, in UTC, such as "2026-11-22 20:51 UTC".
	Text string
}

// SignInPage is GET and POST /sign-in on a tenant's origin.
type SignInPage struct {
	// Page is the frame.
	Page Page
	// Attempt is the opaque id of the pending authorization; empty for the person's own page.
	Attempt string
	// Client is the client's name, cleaned and cut by the caller; may be empty.
	Client string
	// ClientVerified says that the name is not only the client's own word.
	ClientVerified bool
	// Runtime is the runtime's display name; empty for the person's own page.
	Runtime string
	// Providers are the tenant's identity providers; may be none.
	Providers []ProviderLink
	// Email is the typed e-mail address.
	Email string
	// Errors are messages by field: email, password.
	Errors map[string]string
	// Summary is the message over the form, such as "The e-mail or the password is wrong."
	Summary string
	// SignUpHref is the absolute console address for people without an account; empty shows none.
	SignUpHref string
}

// ErrorPageView is a page that says what went wrong; it never redirects.
type ErrorPageView struct {
	// Page is the frame; an empty Tenant is an unknown origin.
	Page Page
	// Code is a word for what happened, such as "invalid_client".
	Code string
	// Title is the short heading, such as "This sign-in has expired".
	Title string
	// Text is the plain cause.
	Text string
	// Steps say what to do, by the program that the person uses; may be none.
	Steps []Cure
	// Cure says who can do what, such as "Start again from the app."
	Cure string
	// RequestID is the id to quote; empty shows none.
	RequestID string
	// TraceID is the connection attempt that the workspace's administrators can look up; empty shows none.
	TraceID string
}

// Cure is what to do in one program.
type Cure struct{ Where, What string }

// SignedOutPage says that the person is signed out here.
type SignedOutPage struct {
	// Page is the frame.
	Page Page
	// Text says what to do next; may be empty.
	Text string
}
