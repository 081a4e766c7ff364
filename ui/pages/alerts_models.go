package pages

// SectionAlerts lights the Alerts entry.
const SectionAlerts = "alerts"

// MailStatus is whether this installation can send mail.
type MailStatus struct {
	// From is the sender; empty where no mail server is set.
	From string
	// Waiting says how many mails wait for one; empty for none.
	Waiting string
}

// AlertsPage lists what happened.
type AlertsPage struct {
	// Shell is the frame.
	Shell Shell
	Mail  MailStatus
	// Rows are the alerts, newest first.
	Rows []AlertRow
	// NewestHref and OlderHref lead through the list; empty where there is no way.
	NewestHref, OlderHref string
}

// AlertRow is an alert in the list.
type AlertRow struct {
	ID, Title string
	// About names the profile, the webhook or the person.
	About string
	// Severity is how soon somebody has to look.
	Severity Badge
	// Told says in words who was told.
	Told Badge
	At   Moment
}

// AlertPage is one alert.
type AlertPage struct {
	// Shell is the frame.
	Shell    Shell
	Title    string
	Text     string
	Severity Badge
	At       Moment
	// Open leads to what the alert is about; both empty where that has no page.
	Open, OpenHref string
	// Facts are the event's data.
	Facts []Pair
	// Subject and Body are the mail; empty where none is made of it.
	Subject, Body string
	Deliveries    []DeliveryRow
	// More says how many deliveries are not shown; empty for none.
	More string
	Mail MailStatus
}

// DeliveryRow is one telling of somebody.
type DeliveryRow struct {
	ID string
	// To is who, Href where the console has more of it; may be empty.
	To, Href string
	// How is the channel in a word or two.
	How   string
	State Badge
	// Detail says why it failed, or when it is tried again.
	Detail string
	At     Moment
	// Event is what it tells of; in a webhook's log only.
	Event string
	// AlertHref leads to what it tells of; empty where there is no page.
	AlertHref string
	// ResendHref sends it again; empty where it cannot be.
	ResendHref string
}

// EventChoice is an event to choose.
type EventChoice struct {
	Value, Title, Text string
	Severity           Badge
	On                 bool
	// Data are the names of its data, for webhooks.
	Data []Pair
}

// AlertSettingsPage says who is told.
type AlertSettingsPage struct {
	// Shell is the frame.
	Shell  Shell
	Mail   MailStatus
	Values AlertValues
	Events []EventChoice
	// Errors are messages by field.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
}

// AlertValues are the fields of the form.
type AlertValues struct {
	// Recipients are addresses, one to a line.
	Recipients            string
	TellOwners, TellUsers bool
	Version               string
}

// WebhooksPage lists webhooks.
type WebhooksPage struct {
	// Shell is the frame.
	Shell Shell
	Rows  []WebhookRow
}

// WebhookRow is a webhook in the list.
type WebhookRow struct {
	ID, Name, URL string
	State         Badge
	// Events says which ones it gets.
	Events  string
	Changed Moment
}

// WebhookFormPage adds a webhook, or shows one with its deliveries.
type WebhookFormPage struct {
	// Shell is the frame.
	Shell Shell
	// ID is the webhook's; empty for a new one.
	ID string
	// Name is the stored name.
	Name   string
	State  Badge
	Values WebhookValues
	Events []EventChoice
	// Secret is shown once, right after it was made.
	Secret string
	// Overlap says until when messages are signed with the secret before, too; empty where there is none.
	Overlap string
	// Disabled says why the gateway turned it off; empty where it did not.
	Disabled string
	// Failing says since when it refuses messages; empty where it does not.
	Failing    string
	Deliveries []DeliveryRow
	// Errors are messages by field.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
}

// WebhookValues are the fields of the form.
type WebhookValues struct {
	Name, URL string
	Enabled   bool
	Version   string
}

// WebhookRemovePage asks before a webhook is removed.
type WebhookRemovePage struct {
	// Shell is the frame.
	Shell Shell
	// ID and Name are the webhook's.
	ID, Name string
	// Typed is what was typed, Error the message by it.
	Typed, Error string
}
