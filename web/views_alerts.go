package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) mailStatus(waiting int64) pages.MailStatus {
	from, _ := k.cfg.Notify.MailFrom()
	m := pages.MailStatus{From: from}
	if waiting > 0 {
		m.Waiting = count(waiting, "mail") + yes(waiting == 1, " waits", " wait") + " to be sent."
	}
	return m
}

func severity(s notify.Severity) pages.Badge {
	switch s {
	case notify.Failure:
		return pages.Badge{Tone: pages.ToneFail, Text: "Act now"}
	case notify.Warning:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Look soon"}
	case notify.Info:
	}
	return pages.Badge{Tone: pages.ToneInfo, Text: "For your information"}
}

func alertRow(a notify.Alert, names map[string]notify.Person) pages.AlertRow {
	kind, _ := notify.KindOf(a.Event)
	var about []string
	for _, part := range []string{a.Data["profile_name"], a.Data["webhook_name"], alertPerson(a.Subject, names)} {
		if part != "" {
			about = append(about, part)
		}
	}
	return pages.AlertRow{ID: a.ID, Title: kind.Title, About: strings.Join(about, " · "), Severity: severity(kind.Severity), Told: alertTold(a), At: moment(a.CreatedAt)}
}

// alertTold says in words how far the telling of an alert is.
func alertTold(a notify.Alert) pages.Badge {
	var parts []string
	for _, part := range []struct {
		n    int
		word string
	}{{a.Sent, "sent"}, {a.Waiting, "waiting"}, {a.Failed, "failed"}} {
		if part.n > 0 {
			parts = append(parts, grouped(int64(part.n))+" "+part.word)
		}
	}
	tone := pages.ToneOK
	switch {
	case len(parts) == 0:
		return pages.Badge{Tone: pages.ToneNeutral, Text: "nobody"}
	case a.Failed > 0:
		tone = pages.ToneFail
	case a.Waiting > 0:
		tone = pages.ToneInfo
	}
	return pages.Badge{Tone: tone, Text: strings.Join(parts, ", ")}
}

// alertPerson is a person's name, or the id of one who is gone.
func alertPerson(id string, names map[string]notify.Person) string {
	p := names[id]
	return cmp.Or(p.Name, p.Email, id)
}

func alertView(v Visit, a notify.Alert, names map[string]notify.Person) pages.AlertPage {
	kind, _ := notify.KindOf(a.Event)
	view := pages.AlertPage{Title: kind.Title, Text: kind.Text, Severity: severity(kind.Severity), At: moment(a.CreatedAt)}
	view.Open, view.OpenHref = alertTarget(v, a)
	view.Facts = append(view.Facts, pages.Pair{Term: "Event", Value: string(a.Event), Mono: true})
	if a.Subject != "" {
		view.Facts = append(view.Facts, pages.Pair{Term: "Person", Value: alertPerson(a.Subject, names)})
	}
	for _, d := range kind.Data {
		view.Facts = append(view.Facts, pages.Pair{Term: datumName(d.Name), Value: a.Data[d.Name], Mono: !strings.HasSuffix(d.Name, "_name") && !strings.HasSuffix(d.Name, "_text")})
	}
	return view
}

// alertTarget is the page of what an alert is about: the closest one that there is.
func alertTarget(v Visit, a notify.Alert) (text, href string) {
	for _, page := range []struct {
		datum, text string
		path        []string
	}{
		{"grant", "Open the grant", []string{"grants"}},
		{"batch", "Open the report", []string{"grants", "revocations"}},
		{"webhook", "Open the webhook", []string{"alerts", "webhooks"}},
		{"profile", "Open the profile", []string{"profiles"}},
	} {
		if id := a.Data[page.datum]; id != "" {
			return page.text, v.path(append(page.path, id)...)
		}
	}
	return "", ""
}

// datumName is a datum's name as a label: "reason_text" is "Reason text".
func datumName(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func deliveryState(s notify.State) pages.Badge {
	switch s {
	case notify.Sent:
		return pages.Badge{Tone: pages.ToneOK, Text: "Sent"}
	case notify.Failed:
		return pages.Badge{Tone: pages.ToneFail, Text: "Failed"}
	case notify.Pending:
	}
	return pages.Badge{Tone: pages.ToneInfo, Text: "Waiting"}
}

func deliveryRow(d notify.Delivery) pages.DeliveryRow {
	row := pages.DeliveryRow{ID: d.ID, State: deliveryState(d.State), Detail: d.Error, At: moment(d.CreatedAt)}
	if d.SentAt != nil {
		row.At = moment(*d.SentAt)
	}
	if d.State == notify.Pending && d.Attempts > 0 {
		row.Detail += " Tried " + count(int64(d.Attempts), "time") + ", again at " + moment(d.NextAt).Text + " UTC."
	}
	return row
}

func alertDelivery(v Visit, d notify.Delivery, names map[string]notify.Person, hooks []notify.Webhook) pages.DeliveryRow {
	row := deliveryRow(d)
	switch d.Channel {
	case notify.ToAlerts:
		row.To, row.How = alertPerson(d.Recipient, names), "Mail to a recipient of alerts"
	case notify.ToUser:
		row.To, row.How = alertPerson(d.Recipient, names), "Mail to the user"
	case notify.ToWebhook:
		row.To, row.How = d.WebhookID, "Webhook"
		row.Href = v.path("alerts", "webhooks", d.WebhookID)
		if i := slices.IndexFunc(hooks, func(w notify.Webhook) bool { return w.ID == d.WebhookID }); i >= 0 {
			row.To = hooks[i].Name
		}
	}
	return row
}

func alertValues(s notify.Settings) pages.AlertValues {
	return pages.AlertValues{Recipients: strings.Join(s.Recipients, "\n"), TellOwners: s.TellOwners, TellUsers: s.TellUsers, Version: version(s.Version)}
}

func typedAlerts(in forms.Alerts) notify.Settings {
	return notify.Settings{Recipients: in.Recipients, Events: eventsOf(in.Events), TellOwners: in.TellOwners, TellUsers: in.TellUsers, Version: in.Version}
}

func eventsOf(names []string) []notify.Event {
	out := make([]notify.Event, len(names))
	for i, name := range names {
		out[i] = notify.Event(name)
	}
	return out
}

func eventChoices(on []notify.Event) []pages.EventChoice {
	var out []pages.EventChoice
	for _, kind := range notify.Kinds() {
		choice := pages.EventChoice{Value: string(kind.Event), Title: kind.Title, Text: kind.Text, Severity: severity(kind.Severity), On: slices.Contains(on, kind.Event)}
		for _, d := range kind.Data {
			choice.Data = append(choice.Data, pages.Pair{Term: d.Name, Value: d.What})
		}
		out = append(out, choice)
	}
	return out
}

func webhookState(w notify.Webhook) pages.Badge {
	switch {
	case !w.Enabled && w.DisabledReason != "":
		return pages.Badge{Tone: pages.ToneFail, Text: "Turned off"}
	case !w.Enabled:
		return pages.Badge{Tone: pages.ToneNeutral, Text: "Off"}
	case w.Failures > 0:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Failing"}
	}
	return pages.Badge{Tone: pages.ToneOK, Text: "On"}
}

func webhookRow(w notify.Webhook) pages.WebhookRow {
	names := make([]string, len(w.Events))
	for i, e := range w.Events {
		names[i] = string(e)
	}
	const named = 2
	events := strings.Join(names[:min(len(names), named)], ", ")
	if len(names) > named {
		events += " and " + grouped(int64(len(names)-named)) + " more"
	}
	return pages.WebhookRow{ID: w.ID, Name: w.Name, URL: w.URL, State: webhookState(w), Events: events, Changed: moment(w.UpdatedAt)}
}

func webhookView(v Visit, w notify.Webhook, log []notify.Delivery, now time.Time) pages.WebhookFormPage {
	view := pages.WebhookFormPage{
		ID: w.ID, Name: w.Name, State: webhookState(w), Disabled: w.DisabledReason, Events: eventChoices(w.Events),
		Values: pages.WebhookValues{Name: w.Name, URL: w.URL, Enabled: w.Enabled, Version: version(w.Version)},
	}
	if w.PreviousUntil != nil && now.Before(*w.PreviousUntil) {
		view.Overlap = "Messages also carry a signature with the previous secret, until " + moment(*w.PreviousUntil).Text + " UTC."
	}
	if w.FailingSince != nil {
		view.Failing = "The receiver has refused " + count(int64(w.Failures), "message") + " in a row since " + moment(*w.FailingSince).Text + " UTC. After three days the gateway turns the webhook off."
	}
	for _, d := range log {
		row := deliveryRow(d)
		row.Event, row.How = string(d.Event), count(int64(max(d.Attempts, 1)), "try")
		if d.Attempts > 1 {
			row.How = grouped(int64(d.Attempts)) + " tries"
		}
		if d.Status > 0 {
			row.How += ", answered " + grouped(int64(d.Status))
		}
		if kind, ok := notify.KindOf(d.Event); ok && slices.ContainsFunc(notify.Kinds(), func(k notify.Kind) bool { return k.Event == kind.Event }) {
			row.AlertHref = v.path("alerts", "log", d.AlertID)
		}
		if d.State != notify.Pending {
			row.ResendHref = v.path("alerts", "webhooks", w.ID, "deliveries", d.ID)
		}
		view.Deliveries = append(view.Deliveries, row)
	}
	return view
}

func typedWebhook(in forms.Webhook) pages.WebhookValues {
	return pages.WebhookValues{Name: in.Name, URL: in.URL, Enabled: in.Enabled, Version: version(in.Version)}
}

func webhookInput(in forms.Webhook) notify.WebhookInput {
	return notify.WebhookInput{Name: in.Name, URL: in.URL, Events: eventsOf(in.Events), Enabled: in.Enabled}
}

func triedWords(t notify.Tried) string {
	if t.Sent {
		return "The receiver took the message."
	}
	return cmp.Or(t.Error, "The message was not taken.")
}
