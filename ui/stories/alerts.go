package stories

import "github.com/emcy/gateway/ui/pages"

func alerts(nonce string, say Text) []Story {
	s := inside(nonce, say, pages.SectionAlerts)
	reads := s
	reads.ReadOnly = say("Your role is developer. Admins and owners can change this.")
	at := pages.Moment{ISO: "2026-11-22T20:51:07Z", Text: "2026-11-22 20:51:07"}
	act, look := pages.Badge{Tone: pages.ToneFail, Text: "Act now"}, pages.Badge{Tone: pages.ToneWarn, Text: "Look soon"}
	mail, off := pages.MailStatus{From: "alerts@acme.example", Waiting: "3 mails wait to be sent."}, pages.MailStatus{Waiting: "2 mails wait to be sent."}
	events := []pages.EventChoice{
		{Value: "grant.needs_reconnect", Title: "A user has to connect again", Text: "Calls that need it fail until this user connects again.", Severity: act, On: true, Data: []pages.Pair{{Term: "profile", Value: "the profile's id"}}},
		{Value: "grant.expiring", Title: "A user's access ends soon", Text: "If the user connects again before, nothing is interrupted.", Severity: look},
	}
	deliveries := []pages.DeliveryRow{
		{ID: "dlv_1", To: say("Ana"), How: "Mail to a recipient of alerts", State: pages.Badge{Tone: pages.ToneOK, Text: "Sent"}, At: at},
		{ID: "dlv_2", To: say("On-call"), Href: "/acme/alerts/webhooks/whk_1", How: "Webhook", State: pages.Badge{Tone: pages.ToneInfo, Text: "Waiting"}, Detail: say("The receiver answered 503. Tried 2 times, again at 2026-11-22 20:56:07 UTC."), At: at},
	}
	log := []pages.DeliveryRow{
		{ID: "dlv_3", Event: "grant.needs_reconnect", AlertHref: "/acme/alerts/log/ntf_1", How: "10 tries, answered 500", State: pages.Badge{Tone: pages.ToneFail, Text: "Failed"}, Detail: say("The receiver answered 500."), At: at, ResendHref: "/acme/alerts/webhooks/whk_1/deliveries/dlv_3"},
		{ID: "dlv_4", Event: "webhook.test", How: "1 try, answered 204", State: pages.Badge{Tone: pages.ToneOK, Text: "Sent"}, At: at, ResendHref: "/acme/alerts/webhooks/whk_1/deliveries/dlv_4"},
	}
	rows := []pages.AlertRow{
		{ID: "ntf_1", Title: "A user has to connect again", About: say("Todo API · Ana"), Severity: act, Told: pages.Badge{Tone: pages.ToneFail, Text: "2 sent, 1 failed"}, At: at},
		{ID: "ntf_2", Title: "A user's access ends soon", About: say("Calendar"), Severity: look, Told: pages.Badge{Tone: pages.ToneNeutral, Text: "nobody"}, At: at},
	}
	hook := pages.WebhookFormPage{
		Shell: s, ID: "whk_1", Name: say("On-call"), Values: pages.WebhookValues{Name: say("On-call"), URL: say("https://hooks.acme.example/emcy"), Enabled: true, Version: "2"}, Events: events, Deliveries: log,
	}
	made, off1, failing := hook, hook, hook
	made.Secret, made.Overlap, made.Deliveries = "whsec_c2VjcmV0IG9mIHRoZSBzdG9yeSwgMzIgYnl0ZXM=", "Messages also carry a signature with the previous secret, until 2026-11-23 20:51:07 UTC.", nil
	off1.Disabled, off1.Shell = say("The receiver answered 410 Gone: it wants no more messages."), reads
	failing.Failing = "The receiver has refused 4 messages in a row since 2026-11-22 18:51:07 UTC."
	return []Story{
		{Name: "console/alerts", Component: pages.Alerts(pages.AlertsPage{Shell: s, Mail: mail, Rows: rows, NewestHref: "/acme/alerts", OlderHref: "/acme/alerts?before=ntf_2"})},
		{Name: "console/alerts-none", Component: pages.Alerts(pages.AlertsPage{Shell: s, Mail: off})},
		{Name: "console/alert", Component: pages.Alert(pages.AlertPage{
			Shell: s, Title: "A user has to connect again", Text: "Calls that need it fail until this user connects again.", Severity: act, At: at, Mail: off, Open: "Open the grant", OpenHref: "/acme/grants/grt_1",
			Facts:   []pages.Pair{{Term: "Event", Value: "grant.needs_reconnect", Mono: true}, {Term: "Person", Value: say("Ana")}},
			Subject: say("[Acme] A user has to connect Todo API again"), Body: say("A user has to connect Todo API again\n\nThe provider refuses to renew a user's access.\n\n- Ana\n"), Deliveries: deliveries, More: "The first 50 are shown.",
		})},
		{Name: "console/alert-nobody", Component: pages.Alert(pages.AlertPage{Shell: s, Title: "Grants were revoked", Severity: look, At: at, Mail: mail})},
		{Name: "console/alert-settings", Component: pages.AlertSettings(pages.AlertSettingsPage{Shell: s, Mail: mail, Values: pages.AlertValues{TellOwners: true, TellUsers: true, Version: "0"}, Events: events})},
		{Name: "console/alert-settings-refused", Component: pages.AlertSettings(pages.AlertSettingsPage{
			Shell: reads, Mail: off, Values: pages.AlertValues{Recipients: say("nobody"), Version: "1"}, Events: events, Summary: "Some fields need attention.",
			Errors: pages.FieldErrors{"recipients": say("“nobody” is not an e-mail address."), "events": "There is no such event."},
		})},
		{Name: "console/webhooks", Component: pages.Webhooks(pages.WebhooksPage{Shell: s, Rows: []pages.WebhookRow{{ID: "whk_1", Name: say("On-call"), URL: say("https://hooks.acme.example/emcy"), State: pages.Badge{Tone: pages.ToneOK, Text: "On"}, Events: "grant.needs_reconnect", Changed: at}}})},
		{Name: "console/webhooks-none", Component: pages.Webhooks(pages.WebhooksPage{Shell: reads})},
		{Name: "console/webhook-new", Component: pages.WebhookForm(pages.WebhookFormPage{Shell: s, Values: pages.WebhookValues{Enabled: true}, Events: events})},
		{Name: "console/webhook-refused", Component: pages.WebhookForm(pages.WebhookFormPage{
			Shell: s, Values: pages.WebhookValues{URL: say("http://10.0.0.1")}, Events: events, Summary: "Some fields need attention.",
			Errors: pages.FieldErrors{"name": "Give it a name of at most 80 characters.", "url": say("This cannot be a webhook's address."), "events": "Choose at least one event."},
		})},
		{Name: "console/webhook", Component: pages.WebhookForm(failing)},
		{Name: "console/webhook-secret", Component: pages.WebhookForm(made)},
		{Name: "console/webhook-off", Component: pages.WebhookForm(off1)},
		{Name: "console/webhook-remove", Component: pages.WebhookRemove(pages.WebhookRemovePage{Shell: s, ID: "whk_1", Name: say("On-call"), Typed: say("on"), Error: "This is not the webhook's name."})},
	}
}
