package notify

import "slices"

// Event names what happened. It is the type of a webhook's message.
type Event string

// The events.
const (
	GrantNeedsReconnect  Event = "grant.needs_reconnect"
	GrantExpiring        Event = "grant.expiring"
	GrantRefreshFailing  Event = "grant.refresh_failing"
	ProfileMisconfigured Event = "profile.misconfigured"
	GrantsRevoked        Event = "grants.revoked"
	WebhookDisabled      Event = "webhook.disabled"

	// reconnectAsked is recorded when a member asks people to reconnect. Only those people are told.
	reconnectAsked Event = "grant.reconnect_asked"
	// webhookTest is what the console's test sends to one webhook.
	webhookTest Event = "webhook.test"
)

// Severity says how soon somebody has to look.
type Severity string

// The severities.
const (
	Failure Severity = "failure" // somebody is cut off until something is done
	Warning Severity = "warning" // nobody is cut off yet
	Info    Severity = "info"    // nothing has to be done
)

// Datum is a named text of an event.
type Datum struct{ Name, What string }

// Kind documents an event.
type Kind struct {
	Event    Event
	Severity Severity
	// Title is the event in a few words, Text says when it is sent and what to do.
	Title, Text string
	// Data are all the names that its data may have. A value that is not known is left out.
	Data []Datum
	// ByMail says that recipients of alerts get it by mail where nothing else is set.
	ByMail bool
	// Users says that the users whom it concerns can be told, too.
	Users bool
}

var (
	ofProfile = []Datum{
		{"profile", "the profile's id"},
		{"profile_name", "the profile's name"},
	}
	ofGrant = append(slices.Clone(ofProfile),
		Datum{"grant", "the grant's id"},
		Datum{"subject", "the user's id at the workspace's runtimes"},
		Datum{"account", "the account at the provider"},
		Datum{"reason", "why, as a stable code"},
		Datum{"reason_text", "why, in words"},
	)
)

// kinds are all events. The first ones are those that a workspace can choose among.
var kinds = []Kind{
	{
		Event: GrantNeedsReconnect, Severity: Failure, ByMail: true, Users: true, Data: ofGrant,
		Title: "A user has to connect again",
		Text:  "The provider refuses to renew a user's access, or it has expired. Calls that need it fail until this user connects again.",
	},
	{
		Event: GrantExpiring, Severity: Warning, ByMail: true, Users: true, Data: append(slices.Clone(ofGrant), Datum{"expires_at", "when the access ends for good (RFC 3339)"}),
		Title: "A user's access ends soon",
		Text:  "The provider has said when a user's access ends for good, and that is near. If the user connects again before, nothing is interrupted.",
	},
	{
		Event: GrantRefreshFailing, Severity: Warning, Data: append(slices.Clone(ofGrant), Datum{"failures", "how many tries failed in a row"}),
		Title: "A user's access cannot be renewed at the moment",
		Text:  "The provider does not answer, or answers with an error of its own. The gateway keeps the grant and goes on trying; look at the provider's status page.",
	},
	{
		Event: ProfileMisconfigured, Severity: Failure, ByMail: true, Data: append(slices.Clone(ofProfile), Datum{"reason", "why, as a stable code"}, Datum{"reason_text", "why, in words"}),
		Title: "A profile's settings are refused",
		Text:  "The provider refuses the gateway itself: a wrong or expired client secret, or a client that was deleted. No user of the profile can connect or be renewed until that is set right in the profile.",
	},
	{
		Event: GrantsRevoked, Severity: Info, ByMail: true, Data: append(slices.Clone(ofProfile),
			Datum{"batch", "the id of the report"}, Datum{"target", "what was revoked: grant, profile, tenant or all"}, Datum{"total", "how many grants"}, Datum{"reason", "why, as it was typed"}),
		Title: "Grants were revoked",
		Text:  "Somebody took back the access of one person, of everybody at a profile, or of the whole workspace. The console has the report.",
	},
	{
		Event: WebhookDisabled, Severity: Failure, ByMail: true,
		Data:  []Datum{{"webhook", "the webhook's id"}, {"webhook_name", "the webhook's name"}, {"reason_text", "why, in words"}},
		Title: "A webhook was turned off",
		Text:  "Its address refused every message for three days, or answered 410 Gone. Set the receiver right, turn the webhook on again and send again what it missed.",
	},
	{
		Event: reconnectAsked, Severity: Info, Users: true, Data: ofProfile,
		Title: "Users were asked to connect again", Text: "A member of the workspace asked users to connect again. Each was told by mail, at most once an hour.",
	},
	{
		Event: webhookTest, Severity: Info, Data: []Datum{{"webhook", "the webhook's id"}, {"webhook_name", "the webhook's name"}},
		Title: "A test", Text: "A member of the workspace asked for it in the console.",
	},
}

// Kinds are the events that a workspace can choose among, with their documentation.
func Kinds() []Kind { return slices.Clone(kinds[:6]) }

// KindOf documents an event; false for a name that is none.
func KindOf(e Event) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Event == e })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// public reports whether a workspace can choose the event.
func (e Event) public() bool {
	return slices.ContainsFunc(kinds[:6], func(k Kind) bool { return k.Event == e })
}

// DefaultEvents are those that somebody has to look at.
func DefaultEvents() []Event {
	var out []Event
	for _, k := range Kinds() {
		if k.ByMail {
			out = append(out, k.Event)
		}
	}
	return out
}
