package pages

import (
	"cmp"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// alertFields and webhookFields are the forms' fields, in order.
var (
	alertFields   = []string{"recipients", "events"}
	webhookFields = []string{"name", "url", "events"}
)

func webhookTitle(p WebhookFormPage) string { return cmp.Or(p.Name, "Add a webhook") }

func webhookAction(p WebhookFormPage) templ.SafeURL {
	if p.ID == "" {
		return at(p.Shell, "alerts", "webhooks", "new")
	}
	return at(p.Shell, "alerts", "webhooks", p.ID)
}

// pageHref is a local address, or none.
func pageHref(path string) templ.SafeURL {
	if path == "" {
		return ""
	}
	return local(path)
}

// deliveriesTable is a list of deliveries in a card.
type deliveriesTable struct {
	// Title is the card's, First the first column's, None stands where there is no row.
	Title, First, None string
	Rows               []DeliveryRow
	// More says how many are not shown; empty for none.
	More string
	// Actions has a column to send again.
	Actions bool
}

func (d deliveriesTable) columns() []kit.Column {
	out := []kit.Column{{Text: d.First}, {Text: "State"}, {Text: "When", Class: "wide"}}
	if d.Actions {
		out = append(out, kit.Column{Text: "Action"})
	}
	return out
}
