package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// profileFacts is what a profile's page shows.
type profileFacts struct {
	profile     profiles.Profile
	generations []profiles.Generation
	attachments []profiles.Attachment
	grants      profiles.Counts
}

func (k *Console) profileFacts(ctx context.Context, v Visit, id string) (f profileFacts, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if f.profile, err = profiles.Get(tx, id); err != nil {
			return err
		}
		if f.generations, err = profiles.Clients(tx, id); err != nil {
			return err
		}
		if f.attachments, err = profiles.AttachedTo(tx, id); err != nil {
			return err
		}
		f.grants, err = profiles.CountGrants(tx, id)
		return err
	})
	return f, err
}

func (k *Console) profile(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	f, err := k.profileFacts(ctx, v, c.Param("profile"))
	if err != nil {
		return err
	}
	runtimes, err := k.cfg.Upstreams.List(ctx, v.Handle)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	shell = profilesShell(shell, v)
	preset, _ := provider.PresetByID(f.profile.Preset)
	view := profileView(f, preset, runtimes, v, shell.Workspace.Origin, k.clock.Now())
	view.Shell = shell
	if f.profile.Client.HasKey {
		keys, err := k.cfg.Profiles.JWKS(ctx, v.Handle, f.profile.ID)
		if err != nil {
			return err
		}
		view.Client.Keys = string(keys)
	}
	if f.profile.Kind == profiles.KindOAuth && shell.ReadOnly == "" {
		ticket, err := k.cfg.ProfileTrials.NewTrial(ctx, v.Handle, f.profile.ID)
		if err != nil {
			return err
		}
		view.TrialHref = shell.Workspace.Origin + "/connect/" + f.profile.ID + "?trial=" + ticket
	}
	return k.page(c, http.StatusOK, pages.Profile(view))
}

func (k *Console) profileDiscover(c echo.Context, v Visit) error {
	p, err := k.cfg.Profiles.Rediscover(c.Request().Context(), v.Handle, c.Param("profile"), forms.ReadAccept(v.Form))
	said := "The provider's metadata is read again."
	switch {
	case errs.Is(err, errs.Stale):
		said = "Somebody changed the profile meanwhile. Try again."
	case err != nil:
		return err
	case p.DiscoveryError != "":
		return k.see(c, v.path("profiles", c.Param("profile"))) // the page says it
	}
	return k.seeWith(c, v.Session, v.path("profiles", c.Param("profile")), said)
}

func (k *Console) profileClient(c echo.Context, v Visit) error {
	p, err := k.oneProfile(c.Request().Context(), v, c.Param("profile"))
	if err != nil {
		return err
	}
	return k.profileClientForm(c, v, http.StatusOK, p, pages.ProfileClientPage{
		Values: pages.ProfileClientValues{Kind: p.Client.Kind, ID: p.Client.ID, AuthMethod: p.Client.AuthMethod, KeyAlg: profiles.KeyES256}, Version: version(p.Version),
	})
}

func (k *Console) profileClientForm(c echo.Context, v Visit, status int, p profiles.Profile, view pages.ProfileClientPage) error {
	if p.Kind == profiles.KindAPIKey {
		return errs.E(errs.NotFound, "This profile has no client: people type in keys.", nil)
	}
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	view.Shell, view.ID, view.Name = profilesShell(shell, v), p.ID, p.Name
	if p.Kind == profiles.KindOAuth {
		view.Callback = shell.Workspace.Origin + profiles.CallbackPath(p.ID)
	}
	if view.Values.Kind != profiles.Preregistered {
		view.Values.ID = "" // ours to make
	}
	return k.page(c, status, pages.ProfileReplaceClient(view))
}

func (k *Console) profileClientReplace(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	p, err := k.oneProfile(ctx, v, c.Param("profile"))
	if err != nil {
		return err
	}
	in, err := forms.ReadProfileClient(v.Form), errs.Fields(v.Form.Unreadable())
	if err == nil {
		_, err = k.cfg.Profiles.RotateClient(ctx, v.Handle, p.ID, profiles.ClientInput{
			Kind: in.Kind, ID: in.ID, AuthMethod: in.AuthMethod, KeyAlg: in.KeyAlg, Secret: secret.New(in.Secret), InitialToken: secret.New(in.InitialToken),
		}, in.Version)
	}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("profiles", p.ID), "The client is replaced. New connections use it from now on.")
	}
	status, ok := k.again(c, err)
	if errs.Is(err, errs.Stale) {
		status, ok = http.StatusConflict, true
	}
	if !ok {
		return err
	}
	return k.profileClientForm(c, v, status, p, pages.ProfileClientPage{
		Values:  pages.ProfileClientValues{Kind: in.Kind, ID: in.ID, AuthMethod: in.AuthMethod, KeyAlg: in.KeyAlg},
		Version: version(p.Version), Errors: typeAgain(errs.FieldsOf(err), in.Secret, in.InitialToken), Summary: errs.Public(err),
	})
}

func (k *Console) profileRemove(c echo.Context, v Visit) error {
	return k.profileRemoveForm(c, v, http.StatusOK, "", "")
}

func (k *Console) profileRemoveForm(c echo.Context, v Visit, status int, typed, problem string) error {
	view := pages.ProfileRemovePage{Typed: typed, Error: problem}
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error {
		p, err := profiles.Get(tx, c.Param("profile"))
		if err != nil {
			return err
		}
		view.ID, view.Name = p.ID, p.Name
		view.Obstacle, err = profiles.Obstacle(tx, p.ID)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	view.Shell = profilesShell(shell, v)
	view.Impact = []string{"Its settings and the gateway's client are forgotten, and so are the people who were connected through it.", "The client that was registered at the provider stays there until you delete it."}
	return k.page(c, status, pages.ProfileRemove(view))
}

func (k *Console) profileRemoved(c echo.Context, v Visit) error {
	p, err := k.oneProfile(c.Request().Context(), v, c.Param("profile"))
	if err != nil {
		return err
	}
	if typed := forms.ReadRemove(v.Form).Confirm; typed != p.Name {
		return k.profileRemoveForm(c, v, http.StatusUnprocessableEntity, typed, "This is not the profile's name.")
	}
	err = k.cfg.Profiles.Remove(c.Request().Context(), v.Handle, p.ID)
	if errs.Is(err, errs.Conflict) {
		return k.profileRemoveForm(c, v, http.StatusConflict, "", "")
	}
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("profiles"), p.Name+" is removed.")
}
