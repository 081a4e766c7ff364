package notify

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	textTemplate "text/template"

	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
)

//go:embed templates
var templateFiles embed.FS

var (
	htmlLetter = template.Must(template.ParseFS(templateFiles, "templates/letter.html"))
	textLetter = textTemplate.Must(textTemplate.ParseFS(templateFiles, "templates/letter.txt"))
)

// maxShown is how many characters of a name are shown.
const maxShown = 80

// maxDetail is how many characters of a reason are shown.
const maxDetail = 240

// letter is a mail before it is written down, once as text and once as HTML.
type letter struct {
	Subject string
	Title   string
	Text    []string
	Items   []item
	// More says how many items are left out.
	More       string
	ButtonText string
	ButtonURL  string
	Footer     []string
}

// item is a line of a letter's list.
type item struct{ Name, Detail string }

func (l letter) message(settings string) (mail.Message, error) {
	var text, html bytes.Buffer
	if err := textLetter.Execute(&text, l); err != nil {
		return mail.Message{}, fmt.Errorf("write a mail as text: %w", err)
	}
	if err := htmlLetter.Execute(&html, l); err != nil {
		return mail.Message{}, fmt.Errorf("write a mail as HTML: %w", err)
	}
	return mail.Message{Subject: l.Subject, Text: text.String(), HTML: html.String(), Settings: settings}, nil
}

// happened is a notification as letters need it.
type happened struct {
	event   Event
	subject string
	data    map[string]string
}

// the gives a datum's text in a few words, or others where it is not known.
func (e happened) the(name, otherwise string) string {
	if value := mail.Line(e.data[name], maxShown); value != "" {
		return value
	}
	return otherwise
}

// userLetter asks a user to connect again. Its link is the same for everybody: who opens
// it signs in there.
func userLetter(origin string, h tenancy.Handle, events []happened) letter {
	workspace := mail.Line(h.Name(), maxShown)
	var accounts, soon []string
	for _, e := range events {
		name := e.the("profile_name", "an account")
		switch {
		case slices.Contains(accounts, name) || slices.Contains(soon, name):
		case e.event == GrantExpiring:
			soon = append(soon, name)
		default:
			accounts = append(accounts, name)
		}
	}
	all := slices.Concat(accounts, soon)
	l := letter{
		Title:      "Connect " + list(all) + " again",
		ButtonText: "Open your connections", ButtonURL: origin + "/me/apps",
		Footer: []string{
			"This mail was sent by " + workspace + " through Emcy Gateway, because you connected this account there.",
			"The link holds nothing about you, and the page asks you to sign in. You can also type its address yourself.",
		},
	}
	l.Subject = l.Title + " for " + workspace
	if len(accounts) > 0 {
		l.Text = append(l.Text, "The apps that you use with "+workspace+" cannot reach "+list(accounts)+" for you any more. Connect again to let them go on.")
	}
	if len(soon) > 0 {
		l.Text = append(l.Text, "The access of "+workspace+" to "+list(soon)+" ends soon. Connect again before, and nothing is interrupted.")
	}
	return l
}

// list names a few things in a sentence.
func list(names []string) string {
	const most = 3
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// alertLetter tells a recipient of alerts what happened, count times.
func alertLetter(console string, h tenancy.Handle, events []happened, count int, people map[string]Person) letter {
	first := events[0]
	kind, _ := KindOf(first.event)
	workspace := mail.Line(h.Name(), maxShown)
	at := console + "/" + h.Slug()
	l := letter{
		Title: headline(first, count), Text: []string{kind.Text}, ButtonText: "Open the console", ButtonURL: at + page(first),
		Footer: []string{
			"You get this because you are a recipient of alerts of the workspace " + workspace + " at Emcy Gateway. Its administrators decide who is.",
			"The page asks you to sign in.",
		},
	}
	l.Subject = "[" + workspace + "] " + l.Title
	for _, e := range events {
		if it := itemOf(e, people); it.Name != "" {
			l.Items = append(l.Items, it)
		}
	}
	if count > len(events) {
		l.More = fmt.Sprintf("and %d more, in the console", count-len(events))
	}
	return l
}

// headline is an alert in a few words.
func headline(e happened, count int) string {
	profile := e.the("profile_name", "a profile")
	who, whose := "A user", "a user"
	if count > 1 {
		who, whose = fmt.Sprintf("%d users", count), fmt.Sprintf("%d users", count)
	}
	switch e.event {
	case GrantNeedsReconnect:
		if count > 1 {
			return who + " have to connect " + profile + " again"
		}
		return who + " has to connect " + profile + " again"
	case GrantExpiring:
		return "The access of " + whose + " to " + profile + " ends soon"
	case GrantRefreshFailing:
		return "The access of " + whose + " to " + profile + " cannot be renewed at the moment"
	case ProfileMisconfigured:
		return profile + " refuses the gateway's settings"
	case GrantsRevoked:
		if total := e.the("total", "Some"); total != "1" {
			return total + " grants were revoked"
		}
		return "A grant was revoked"
	case WebhookDisabled:
		return "The webhook " + e.the("webhook_name", "") + " was turned off"
	case reconnectAsked, webhookTest:
	}
	kind, _ := KindOf(e.event)
	return kind.Title
}

// page is where in the workspace the console shows it.
func page(e happened) string {
	switch e.event {
	case GrantNeedsReconnect, GrantExpiring, GrantRefreshFailing, GrantsRevoked:
		return "/grants"
	case ProfileMisconfigured:
		return "/profiles"
	case WebhookDisabled, reconnectAsked, webhookTest:
	}
	return "/alerts"
}

// itemOf names whom or what an alert is about.
func itemOf(e happened, people map[string]Person) item {
	detail := mail.Line(e.data["reason_text"], maxDetail)
	if e.event == GrantExpiring {
		detail = "until " + e.the("expires_at", "soon")
	}
	if e.subject == "" {
		name := e.the("profile_name", e.the("webhook_name", ""))
		if e.event == GrantsRevoked {
			name, detail = e.the("target", ""), e.the("reason", "")
		}
		return item{Name: name, Detail: detail}
	}
	p := people[e.subject]
	name := mail.Line(p.Name, maxShown)
	switch {
	case name == "":
		name = mail.Line(p.Email, maxShown)
	case p.Email != "" && p.Email != p.Name:
		name += " (" + mail.Line(p.Email, maxShown) + ")"
	}
	if name == "" {
		name = e.subject
	}
	if account := e.the("account", ""); account != "" {
		name += ", account " + account
	}
	return item{Name: name, Detail: detail}
}
