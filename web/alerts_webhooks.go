package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) webhooks(c echo.Context, v Visit) error {
	var list []notify.Webhook
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		list, err = notify.Webhooks(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	view := pages.WebhooksPage{Shell: shell}
	for _, w := range list {
		view.Rows = append(view.Rows, webhookRow(w))
	}
	return k.page(c, http.StatusOK, pages.Webhooks(view))
}

func (k *Console) webhookNew(c echo.Context, v Visit) error {
	return k.webhookForm(c, v, http.StatusOK, pages.WebhookFormPage{Values: pages.WebhookValues{Enabled: true}, Events: eventChoices(notify.DefaultEvents())})
}

func (k *Console) webhookForm(c echo.Context, v Visit, status int, view pages.WebhookFormPage) error {
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	view.Shell = shell
	return k.page(c, status, pages.WebhookForm(view))
}

func (k *Console) webhookCreate(c echo.Context, v Visit) error {
	in, err := forms.ReadWebhook(v.Form), errs.Fields(v.Form.Unreadable())
	if err == nil {
		w, secret, failed := k.cfg.Notify.CreateWebhook(c.Request().Context(), v.Handle, webhookInput(in))
		if failed == nil {
			return k.webhookPage(c, v, w.ID, secret.Reveal())
		}
		err = failed
	}
	return k.webhookAgain(c, v, in, pages.WebhookFormPage{}, err)
}

// webhookAgain shows the form with what was typed.
func (k *Console) webhookAgain(c echo.Context, v Visit, in forms.Webhook, view pages.WebhookFormPage, err error) error {
	status, ok := k.again(c, err)
	if !ok {
		return err
	}
	view.Values, view.Events = typedWebhook(in), eventChoices(eventsOf(in.Events))
	view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
	return k.webhookForm(c, v, status, view)
}

// webhookOf reads a webhook and its log.
func (k *Console) webhookOf(ctx context.Context, v Visit, id string) (w notify.Webhook, log []notify.Delivery, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if w, err = notify.WebhookOf(tx, id); err != nil {
			return err
		}
		log, err = notify.WebhookLog(tx, id, deliveriesShown)
		return err
	})
	return w, log, err
}

func (k *Console) webhook(c echo.Context, v Visit) error {
	return k.webhookPage(c, v, c.Param("webhook"), "")
}

// webhookPage shows a webhook, and its secret right after that was made.
func (k *Console) webhookPage(c echo.Context, v Visit, id, secret string) error {
	w, log, err := k.webhookOf(c.Request().Context(), v, id)
	if err != nil {
		return err
	}
	view := webhookView(v, w, log, k.clock.Now())
	view.Secret = secret
	return k.webhookForm(c, v, http.StatusOK, view)
}

func (k *Console) webhookUpdate(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	stored, log, err := k.webhookOf(ctx, v, c.Param("webhook"))
	if err != nil {
		return err
	}
	in, err := forms.ReadWebhook(v.Form), errs.Fields(v.Form.Unreadable())
	if err == nil {
		err = k.cfg.Notify.UpdateWebhook(ctx, v.Handle, stored.ID, webhookInput(in), in.Version)
	}
	view := webhookView(v, stored, log, k.clock.Now())
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("alerts", "webhooks", stored.ID), "The changes are saved.")
	case errs.Is(err, errs.Stale):
		// The form comes back over the stored version: sending it again is a decision for it.
		in.Version = stored.Version
		view.Values, view.Events = typedWebhook(in), eventChoices(eventsOf(in.Events))
		view.Summary = "Someone changed this webhook while you were editing. Saving puts your values in the place of theirs."
		return k.webhookForm(c, v, http.StatusConflict, view)
	}
	return k.webhookAgain(c, v, in, view, err)
}

func (k *Console) webhookSecret(c echo.Context, v Visit) error {
	secret, err := k.cfg.Notify.RotateSecret(c.Request().Context(), v.Handle, c.Param("webhook"))
	if err != nil {
		return err
	}
	return k.webhookPage(c, v, c.Param("webhook"), secret.Reveal())
}

func (k *Console) webhookTest(c echo.Context, v Visit) error {
	tried, err := k.cfg.Notify.SendTest(c.Request().Context(), v.Handle, c.Param("webhook"))
	return k.tried(c, v, tried, err)
}

func (k *Console) webhookResend(c echo.Context, v Visit) error {
	tried, err := k.cfg.Notify.Resend(c.Request().Context(), v.Handle, c.Param("webhook"), c.Param("delivery"))
	return k.tried(c, v, tried, err)
}

func (k *Console) tried(c echo.Context, v Visit, tried notify.Tried, err error) error {
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("alerts", "webhooks", c.Param("webhook")), triedWords(tried))
}

func (k *Console) webhookRemove(c echo.Context, v Visit) error {
	return k.webhookRemoveForm(c, v, http.StatusOK, "", "")
}

func (k *Console) webhookRemoveForm(c echo.Context, v Visit, status int, typed, problem string) error {
	w, _, err := k.webhookOf(c.Request().Context(), v, c.Param("webhook"))
	if err != nil {
		return err
	}
	shell, err := k.alertsShell(c, v)
	if err != nil {
		return err
	}
	return k.page(c, status, pages.WebhookRemove(pages.WebhookRemovePage{Shell: shell, ID: w.ID, Name: w.Name, Typed: typed, Error: problem}))
}

func (k *Console) webhookRemoved(c echo.Context, v Visit) error {
	w, _, err := k.webhookOf(c.Request().Context(), v, c.Param("webhook"))
	if err != nil {
		return err
	}
	if typed := forms.ReadRemove(v.Form).Confirm; typed != w.Name {
		return k.webhookRemoveForm(c, v, http.StatusUnprocessableEntity, typed, "This is not the webhook's name.")
	}
	if err := k.cfg.Notify.RemoveWebhook(c.Request().Context(), v.Handle, w.ID); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("alerts", "webhooks"), w.Name+" is removed.")
}
