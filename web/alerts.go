package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

const (
	alertsShown     = 50
	deliveriesShown = 50
)

func (k *Console) registerAlerts() {
	k.tenant(http.MethodGet, "/:workspace/alerts", authz.ReadWorkspace, k.alerts)
	k.tenant(http.MethodGet, "/:workspace/alerts/log/:alert", authz.ReadWorkspace, k.alert)
	k.tenant(http.MethodGet, "/:workspace/alerts/settings", authz.ReadWorkspace, k.alertSettings)
	k.tenant(http.MethodPost, "/:workspace/alerts/settings", authz.WriteSettings, k.alertSettingsSave)
	k.tenant(http.MethodGet, "/:workspace/alerts/webhooks", authz.ReadWorkspace, k.webhooks)
	k.tenant(http.MethodGet, "/:workspace/alerts/webhooks/new", authz.WriteSettings, k.webhookNew)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/new", authz.WriteSettings, k.webhookCreate)
	k.tenant(http.MethodGet, "/:workspace/alerts/webhooks/:webhook", authz.ReadWorkspace, k.webhook)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/:webhook", authz.WriteSettings, k.webhookUpdate)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/:webhook/secret", authz.WriteSettings, k.webhookSecret)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/:webhook/test", authz.WriteSettings, k.webhookTest)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/:webhook/deliveries/:delivery", authz.WriteSettings, k.webhookResend)
	k.tenant(http.MethodGet, "/:workspace/alerts/webhooks/:webhook/remove", authz.WriteSettings, k.webhookRemove)
	k.tenant(http.MethodPost, "/:workspace/alerts/webhooks/:webhook/remove", authz.WriteSettings, k.webhookRemoved)
}

func (k *Console) alertsShell(c echo.Context, v Visit) (pages.Shell, error) {
	shell, err := k.tenantShell(c, v, pages.SectionAlerts)
	return settingsShell(shell, v), err
}

func (k *Console) alerts(c echo.Context, v Visit) error {
	before := c.QueryParam("before")
	if before != "" && !validID(before) {
		return errs.E(errs.NotFound, "Not found.", nil)
	}
	var list []notify.Alert
	var waiting int64
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		if list, err = notify.Alerts(tx, before, alertsShown+1); err != nil {
			return err
		}
		waiting, err = notify.MailWaiting(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	view := pages.AlertsPage{Shell: shell, Mail: k.mailStatus(waiting)}
	if len(list) > alertsShown {
		list = list[:alertsShown]
		view.OlderHref = v.path("alerts") + "?before=" + list[alertsShown-1].ID
	}
	if before != "" {
		view.NewestHref = v.path("alerts")
	}
	names, err := k.alertPeople(c, v, list, nil)
	if err != nil {
		return err
	}
	for _, a := range list {
		view.Rows = append(view.Rows, alertRow(a, names))
	}
	return k.page(c, http.StatusOK, pages.Alerts(view))
}

// alertPeople names those whom alerts are about, and to whom they went.
func (k *Console) alertPeople(c echo.Context, v Visit, list []notify.Alert, deliveries []notify.Delivery) (map[string]notify.Person, error) {
	seen := map[string]bool{}
	var subjects []string
	add := func(id string) {
		if id != "" && !seen[id] && validID(id) {
			seen[id] = true
			subjects = append(subjects, id)
		}
	}
	for _, a := range list {
		add(a.Subject)
	}
	for _, d := range deliveries {
		add(d.Recipient)
	}
	if len(subjects) == 0 {
		return nil, nil
	}
	return k.cfg.Notify.People(c.Request().Context(), v.Handle, subjects)
}

func (k *Console) alert(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	var a notify.Alert
	var hooks []notify.Webhook
	err := k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if a, err = notify.AlertOf(tx, c.Param("alert"), deliveriesShown); err != nil {
			return err
		}
		hooks, err = notify.Webhooks(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	names, err := k.alertPeople(c, v, []notify.Alert{a}, a.Deliveries)
	if err != nil {
		return err
	}
	view := alertView(v, a, names)
	view.Shell, view.Mail = shell, k.mailStatus(0)
	view.Subject, view.Body, err = k.cfg.Notify.Preview(ctx, v.Handle, a)
	if err != nil {
		return err
	}
	for _, d := range a.Deliveries {
		view.Deliveries = append(view.Deliveries, alertDelivery(v, d, names, hooks))
	}
	if len(a.Deliveries) == deliveriesShown {
		view.More = "The first " + grouped(deliveriesShown) + " are shown."
	}
	return k.page(c, http.StatusOK, pages.Alert(view))
}

func (k *Console) alertSettings(c echo.Context, v Visit) error {
	var set notify.Settings
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		set, err = notify.SettingsOf(tx)
		return err
	})
	if err != nil {
		return err
	}
	return k.alertSettingsForm(c, v, http.StatusOK, set, pages.AlertSettingsPage{})
}

func (k *Console) alertSettingsForm(c echo.Context, v Visit, status int, set notify.Settings, view pages.AlertSettingsPage) error {
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	var waiting int64
	err = k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		waiting, err = notify.MailWaiting(tx)
		return err
	})
	if err != nil {
		return err
	}
	view.Shell, view.Mail, view.Values, view.Events = shell, k.mailStatus(waiting), alertValues(set), eventChoices(set.Events)
	return k.page(c, status, pages.AlertSettings(view))
}

func (k *Console) alertSettingsSave(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	in := typedAlerts(forms.ReadAlerts(v.Form))
	err := errs.Fields(v.Form.Unreadable())
	if err == nil {
		err = k.cfg.Notify.SaveSettings(ctx, v.Handle, in)
	}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("alerts", "settings"), "The changes are saved.")
	}
	if errs.Is(err, errs.Stale) {
		var stored notify.Settings
		if err := k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
			stored, err = notify.SettingsOf(tx)
			return err
		}); err != nil {
			return err
		}
		// The form comes back over the stored version: sending it again is a decision for it.
		in.Version = stored.Version
		return k.alertSettingsForm(c, v, http.StatusConflict, in, pages.AlertSettingsPage{Summary: "Someone changed the alerts while you were editing. Saving puts your values in the place of theirs."})
	}
	status, ok := k.again(c, err)
	if !ok {
		return err
	}
	return k.alertSettingsForm(c, v, status, in, pages.AlertSettingsPage{Errors: errs.FieldsOf(err), Summary: errs.Public(err)})
}
