package forms

import "strings"

// Alerts is the form of who is told of what.
type Alerts struct {
	// Recipients are addresses, one to a line.
	Recipients            []string
	Events                []string
	TellOwners, TellUsers bool
	// Version is the one that the form was filled from; -1 where it is no number.
	Version int64
}

// ReadAlerts reads the form.
func ReadAlerts(v Values) Alerts {
	return Alerts{
		Recipients: lines(v.one("recipients")), Events: v.fields["event"], TellOwners: v.one("tell_owners") != "", TellUsers: v.one("tell_users") != "", Version: v.number("version"),
	}
}

// Webhook is the form of a webhook.
type Webhook struct {
	Name, URL string
	Events    []string
	Enabled   bool
	// Version is the one that the form was filled from; -1 where it is no number.
	Version int64
}

// ReadWebhook reads the form.
func ReadWebhook(v Values) Webhook {
	return Webhook{Name: v.line("name"), URL: strings.TrimSpace(v.line("url")), Events: v.fields["event"], Enabled: v.one("enabled") != "", Version: v.number("version")}
}
