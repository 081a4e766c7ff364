package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

// maxReason bounds the reason of a mass revoke, in bytes.
const maxReason = 200

// whole is what a mass revoke is about.
type whole struct {
	target grants.Target
	name   string
	// word is what has to be typed.
	word     string
	grants   int
	profiles []profiles.Profile
	runtimes []string
}

// massRevoke shows what can be revoked as a whole, or asks about what was chosen.
func (k *Console) massRevoke(c echo.Context, v Visit) error {
	profile, all := c.QueryParam("profile"), c.QueryParam("all") == "1"
	if profile != "" || all {
		return k.massForm(c, v, http.StatusOK, forms.MassRevoke{Profile: profile}, nil)
	}
	ctx := c.Request().Context()
	var list []profiles.Profile
	var counts map[string]int
	err := k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if list, err = profiles.List(tx); err != nil {
			return err
		}
		counts, err = grants.CountProfiles(tx)
		return err
	})
	if err != nil {
		return err
	}
	batches, err := k.cfg.Grants.Batches(ctx, v.Handle)
	if err != nil {
		return err
	}
	view := pages.MassRevokePage{Choices: revokeChoices(list, counts, v)}
	if view.Batches, err = k.batchRows(ctx, v, batches, nameProfiles(list)); err != nil {
		return err
	}
	if view.Shell, err = k.grantsShell(c, v); err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.MassRevoke(view))
}

// wholeOf finds out what a mass revoke would be about.
func (k *Console) wholeOf(ctx context.Context, v Visit, profile string) (w whole, err error) {
	if profile != "" && !validID(profile) {
		return whole{}, errs.E(errs.NotFound, "There is no such profile.", nil)
	}
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) error {
		counts, err := grants.CountProfiles(tx)
		if err != nil {
			return err
		}
		w = whole{target: grants.Target{Kind: grants.TargetTenant}, name: "all of " + v.Member.TenantName, word: v.Member.TenantSlug}
		if profile == "" {
			if w.profiles, err = profiles.List(tx); err != nil {
				return err
			}
		} else {
			p, err := profiles.Get(tx, profile)
			if err != nil {
				return err
			}
			w = whole{target: grants.Target{Kind: grants.TargetProfile, ID: p.ID}, name: p.Name, word: p.Name, profiles: []profiles.Profile{p}}
		}
		names, err := upstreams.Names(tx)
		if err != nil {
			return err
		}
		for _, p := range w.profiles {
			w.grants += counts[p.ID]
			attached, err := profiles.AttachedTo(tx, p.ID)
			if err != nil {
				return err
			}
			w.runtimes = append(w.runtimes, attachedNames(attached, names)...)
		}
		return nil
	})
	return w, err
}

func (k *Console) massForm(c echo.Context, v Visit, status int, in forms.MassRevoke, problem error) error {
	w, err := k.wholeOf(c.Request().Context(), v, in.Profile)
	if err != nil {
		return err
	}
	view := pages.MassRevokeConfirmPage{
		Name: w.name, Profile: in.Profile, Impact: massImpact(w), Word: w.word, Typed: in.Confirm, Reason: in.Reason,
	}
	if problem != nil {
		view.Errors, view.Summary = errs.FieldsOf(problem), errs.Public(problem)
	}
	if view.Shell, err = k.grantsShell(c, v); err != nil {
		return err
	}
	return k.page(c, status, pages.MassRevokeConfirm(view))
}

func (k *Console) massRevoked(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	in := forms.ReadMassRevoke(v.Form)
	w, err := k.wholeOf(ctx, v, in.Profile)
	if err != nil {
		return err
	}
	problems := v.Form.Unreadable()
	switch {
	case in.Reason == "":
		problems["reason"] = "Say why, for those who read the report later."
	case len(in.Reason) > maxReason:
		problems["reason"] = "Say it in at most 200 characters."
	}
	if in.Confirm != w.word {
		problems["confirm"] = "This is not “" + w.word + "”."
	}
	if err := errs.Fields(problems); err != nil {
		return k.massForm(c, v, http.StatusUnprocessableEntity, in, err)
	}
	batch, err := k.cfg.Grants.RevokeAll(ctx, v.Handle, w.target, in.Reason)
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("grants", "revocations", batch.ID), "The grants are revoked here. Their providers are told now.")
}
