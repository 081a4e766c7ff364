package pages

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// SectionGrants lights the Grants entry.
const SectionGrants = "grants"

// GrantsPage is GET /{workspace}/grants: who connected which account, and whether it still works.
type GrantsPage struct {
	// Shell is the frame; its ReadOnly says why the person may not act on grants.
	Shell Shell
	// States are the counts per state, as links; the first is all of them.
	States []GrantState
	// Problems are the providers that are paused.
	Problems []GrantProblem
	// Query is the text that people are searched by.
	Query string
	// Profile is the id of the profile that the list is of; empty for all. Profiles are the choices.
	Profile  string
	Profiles []kit.Option
	// State is the state that the list is of; empty for all.
	State string
	// Chips are the filters that are on.
	Chips []kit.Chip
	// ClearHref is the list without them.
	ClearHref string
	// Rows are the grants of this page.
	Rows []GrantRow
	// None says that the workspace has no grant at all.
	None bool
	// ProfilesHref leads to where a profile is added.
	ProfilesHref string
	// NewestHref leads back to the start, OlderHref on; empty at the ends.
	NewestHref, OlderHref string
	// Here is the list as it is, to come back to from a form.
	Here string
	// CanMail says that this gateway can send mail, so that people can be asked.
	CanMail bool
}

// GrantState is a state with how many grants are in it.
type GrantState struct {
	Text, Count, Href string
	Current           bool
}

// GrantProblem is a provider that is not asked for a while.
type GrantProblem struct {
	// Title names the provider and says what happens, such as "GitHub is paused until 12:04".
	Title string
	// Text says why, and what that means for people.
	Text string
	// Affected says how many are affected, such as "42 people"; Href leads to them.
	Affected, Href string
}

// GrantRow is one grant in a list.
type GrantRow struct {
	ID, Href string
	// Person is the person's name; Email stands below, may be empty.
	Person, Email string
	// Account is the account at the provider; may be empty.
	Account string
	Profile string
	// Scopes are the granted ones in short, such as "repo, read:user and 3 more".
	Scopes string
	State  Badge
	// Reason says in words why it is not connected.
	Reason string
	// Next is the next refresh; NextText stands in its place where there is none.
	Next     Moment
	NextText string
	Used     Moment
}

// GrantPage is GET /{workspace}/grants/{grant}.
type GrantPage struct {
	Shell Shell
	Row   GrantRow
	// Title is the person and the profile.
	Title string
	Live  GrantLive
	// Facts are about the grant, Scopes what was granted.
	Facts  []Pair
	Scopes []string
	// Steps are its history and what comes, oldest first.
	Steps []GrantStep
	// Runtimes use the grant.
	Runtimes []GrantRuntime
	// Clients may act for the person at those runtimes.
	Clients []GrantClient
	// ProfileHref leads to the profile.
	ProfileHref string
	// Revoked says that nothing is left to act on.
	Revoked bool
	// CanRefresh says that there is something to refresh; CanMail that the person can be asked by mail.
	CanRefresh, CanMail bool
}

// GrantLive is the part of a grant's page that follows it.
type GrantLive struct {
	// Tone colours the card; Title says where the grant stands, Text what that means, Next what helps.
	Tone, Title, Text, Next string
	// Stream is the path of the event stream; empty renders no live updates.
	Stream string
}

// GrantStep is a moment in a grant's life.
type GrantStep struct {
	Text string
	At   Moment
	// Note says more; may be empty.
	Note string
	// Past says that it has happened; Failed that it went wrong.
	Past, Failed bool
}

// GrantRuntime is a runtime that a grant is used by.
type GrantRuntime struct {
	Name, Href string
	// Needs says what the grant is needed for there.
	Needs string
	// Missing are the scopes that it asks for and the grant lacks, in words; empty for none.
	Missing string
}

// GrantClient is a client that may act for the person.
type GrantClient struct {
	Name, Href, Runtime string
	// At is since when.
	At Moment
}

// GrantRevokePage is GET /{workspace}/grants/{grant}/revoke.
type GrantRevokePage struct {
	Shell  Shell
	Row    GrantRow
	Title  string
	Impact []string
}

// MassRevokePage is GET and POST /{workspace}/grants/revoke.
type MassRevokePage struct {
	Shell Shell
	// Choices are what can be revoked as a whole, with their counts.
	Choices []RevokeChoice
	// Batches are the runs before, newest first.
	Batches []BatchRow
}

// RevokeChoice is a set of grants that can be revoked as a whole.
type RevokeChoice struct {
	Name, Count, Href string
	// Empty says that nothing is in it.
	Empty bool
}

// MassRevokeConfirmPage asks before a set of grants is revoked.
type MassRevokeConfirmPage struct {
	Shell Shell
	// Name is what is revoked; Profile its id, empty for the whole workspace.
	Name, Profile string
	Impact        []string
	// Word has to be typed.
	Word          string
	Typed, Reason string
	Errors        FieldErrors
	Summary       string
}

// BatchRow is a run in a list.
type BatchRow struct {
	Href, Name, By, Count, Reason string
	State                         Badge
	At                            Moment
}

// BatchPage is GET /{workspace}/grants/revocations/{batch}.
type BatchPage struct {
	Shell Shell
	Name  string
	Live  BatchLive
	Facts []Pair
	At    Moment
	// Report is the path of the CSV file.
	Report string
	// Self is the page's own path.
	Self string
}

// BatchLive is the part of a run's page that follows it.
type BatchLive struct {
	State Badge
	// Progress is how far it is in thousandths; ProgressText says it in words.
	Progress     int
	ProgressText string
	// Stopped says why it does not go on by itself; empty where it does or has ended.
	Stopped string
	// Providers are the sums per provider.
	Providers []BatchProvider
	// Problems are revocations that failed or are tried again, More says how many are not shown.
	Problems []BatchProblem
	More     string
	// Continue is where it is gone on with; empty where nothing is left to do.
	Continue string
	CSRF     string
	Off      string
	Stream   string
}

// BatchProvider is a run's sums for one provider.
type BatchProvider struct {
	Name, Total, Done, Unsupported, Failed, Pending string
	// Note says what the sums mean for this provider; may be empty.
	Note string
}

// BatchProblem is a revocation that did not work so far.
type BatchProblem struct {
	Person, Profile, Error, Tries string
	State                         Badge
}

// grantAction is the address of what can be done with one grant.
func grantAction(s Shell, id string, parts ...string) templ.SafeURL {
	return at(s, append([]string{"grants", id}, parts...)...)
}

func (l BatchLive) bar() kit.ProgressSpec {
	return kit.ProgressSpec{ID: "batch-progress", Label: "Taken back", Text: l.ProgressText, Value: l.Progress, Tone: l.State.Tone}
}

// boxID and boxLabel are those of the box that picks a row.
func (r GrantRow) boxID() string { return "pick-" + r.ID }

func (r GrantRow) boxLabel() string { return "Select " + r.Person + ", " + r.Profile }
