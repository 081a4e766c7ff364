package web

import (
	"context"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/web/forms"
)

// grantsAsk asks those who were picked in the list to connect again.
func (k *Console) grantsAsk(c echo.Context, v Visit) error {
	in := forms.ReadPicked(v.Form)
	back := in.Back
	if !strings.HasPrefix(back, v.path("grants")) {
		back = v.path("grants")
	}
	if len(in.IDs) == 0 {
		return k.seeWith(c, v.Session, back, "Nobody was ticked, so nobody was asked.")
	}
	return k.ask(c, v, in.IDs, back)
}

// grantAsk asks one person.
func (k *Console) grantAsk(c echo.Context, v Visit) error {
	return k.ask(c, v, []string{c.Param("grant")}, v.path("grants", c.Param("grant")))
}

func (k *Console) ask(c echo.Context, v Visit, ids []string, back string) error {
	if _, ok := k.cfg.Notify.MailFrom(); !ok {
		return errs.E(errs.Invalid, "This gateway has no mail server (EMCY_SMTP_URL), so it cannot ask people itself.", nil)
	}
	if len(ids) > grantsPage || slices.ContainsFunc(ids, func(id string) bool { return !validID(id) }) {
		return malformed(nil)
	}
	asked, skipped, err := k.askPeople(c.Request().Context(), v.Handle, ids)
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, back, askedWords(asked, skipped))
}

// askPeople asks the grants' people, profile by profile; of each mail one is sent.
func (k *Console) askPeople(ctx context.Context, h tenancy.Handle, ids []string) (asked, skipped int, err error) {
	err = k.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		asked, skipped = 0, 0 // a transaction may run again
		subjects := map[string][]string{}
		for _, id := range ids {
			g, err := grants.Get(tx, id)
			if err != nil {
				return err
			}
			subjects[g.ProfileID] = append(subjects[g.ProfileID], g.Subject)
		}
		for profileID, people := range subjects {
			p, err := profiles.Get(tx, profileID)
			if err != nil {
				return err
			}
			told, err := k.cfg.Notify.AskReconnect(tx, people, notify.Profile{ID: p.ID, Name: p.Name})
			if err != nil {
				return err
			}
			asked += len(told.Asked)
			skipped += len(told.Skipped)
		}
		return nil
	})
	return asked, skipped, err
}

func askedWords(asked, skipped int) string {
	words := "Nobody was asked."
	if asked > 0 {
		words = people(asked) + yes(asked == 1, " gets", " get") + " a mail."
	}
	if skipped > 0 {
		words += " " + people(skipped) + yes(skipped == 1, " was", " were") + " told within the last hour and left out."
	}
	return words
}

// people is "1 person" or "3 people".
func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return grouped(int64(n)) + " people"
}
