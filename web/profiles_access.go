package web

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

// accessState is a runtime with what is attached to it and what could be.
type accessState struct {
	tools      upstreams.ToolList
	attachment profiles.Attachment
	attached   bool
	list       []profiles.Profile
}

func (k *Console) accessState(c echo.Context, v Visit) (s accessState, err error) {
	ctx := c.Request().Context()
	if s.tools, err = k.cfg.Upstreams.Tools(ctx, v.Handle, c.Param("runtime")); err != nil {
		return s, err
	}
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if s.attachment, _, s.attached, err = profiles.Attached(tx, s.tools.Upstream.ID); err != nil {
			return err
		}
		s.list, err = profiles.List(tx)
		return err
	})
	return s, err
}

// profile finds one of those that can be attached.
func (s accessState) profile(id string) (profiles.Profile, bool) {
	at := slices.IndexFunc(s.list, func(p profiles.Profile) bool { return p.ID == id })
	if at < 0 {
		return profiles.Profile{}, false
	}
	return s.list[at], true
}

// fresh is what a new attachment begins with: what every runtime asks for, to know whose account it is.
func (s accessState) fresh(id string) profiles.Attachment {
	a := profiles.Attachment{ProfileID: id, NeededFor: profiles.NeededForCalls}
	p, _ := s.profile(id)
	preset, _ := provider.PresetByID(p.Preset)
	for _, scope := range p.Settings.Scopes {
		usual := scope == "openid" || slices.ContainsFunc(preset.Scopes, func(d provider.ScopeDoc) bool { return d.Default && d.Scope == scope })
		if usual {
			a.Scopes = append(a.Scopes, scope)
		}
	}
	return a
}

// noProfile stands in an address for taking nothing of any profile.
const noProfile = "none"

// access shows what is attached; with a profile in the query, the form of that one.
func (k *Console) access(c echo.Context, v Visit) error {
	s, err := k.accessState(c, v)
	if err != nil {
		return err
	}
	chosen, asked := c.QueryParam("profile"), c.QueryParam("choose") != ""
	switch {
	case chosen == "" && s.attached && !asked:
		return k.accessPage(c, v, http.StatusOK, s, accessView(s, s.attachment))
	case chosen == noProfile:
		return k.accessPage(c, v, http.StatusOK, s, accessView(s, profiles.Attachment{}))
	case chosen == s.attachment.ProfileID && s.attached:
		return k.accessPage(c, v, http.StatusOK, s, accessView(s, s.attachment))
	case chosen != "":
		if _, ok := s.profile(chosen); !ok {
			return errs.E(errs.NotFound, "There is no such profile.", nil)
		}
		return k.accessPage(c, v, http.StatusOK, s, accessView(s, s.fresh(chosen)))
	}
	return k.accessPage(c, v, http.StatusOK, s, accessChoices(s))
}

func (k *Console) accessPage(c echo.Context, v Visit, status int, s accessState, view pages.AccessPage) error {
	shell, err := k.tenantShell(c, v, pages.SectionRuntimes)
	if err != nil {
		return err
	}
	view.Shell, view.Runtime, view.Version = profilesShell(shell, v), runtimeRef(s.tools.Upstream, shell.Workspace.Origin), version(s.attachment.Version)
	if view.Chosen != "" {
		view.Href = v.path("profiles", view.Chosen)
	}
	return k.page(c, status, pages.Access(view))
}

func (k *Console) accessSave(c echo.Context, v Visit) error {
	s, err := k.accessState(c, v)
	if err != nil {
		return err
	}
	ctx, in := c.Request().Context(), forms.ReadAccess(v.Form)
	typed := profiles.Attachment{ProfileID: in.Profile, Scopes: in.Scopes, NeededFor: in.NeededFor, Audience: in.Audience, ToolScopes: toolScopes(s, in.ToolScopes)}
	said := "Saved. Every edge follows within seconds."
	if in.Profile == "" {
		err, said = k.cfg.Profiles.Detach(ctx, v.Handle, s.tools.Upstream.ID, in.Version), "The runtime has no profile now. Every edge follows within seconds."
	} else if err = errs.Fields(v.Form.Unreadable()); err == nil {
		err = k.cfg.Profiles.Attach(ctx, v.Handle, s.tools.Upstream.ID, profiles.AttachInput{
			ProfileID: typed.ProfileID, Scopes: typed.Scopes, ToolScopes: typed.ToolScopes, NeededFor: typed.NeededFor, Audience: typed.Audience, Version: in.Version,
		})
	}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("runtimes", s.tools.Upstream.Slug, "access"), said)
	}
	status, ok := k.again(c, err)
	if errs.Is(err, errs.Stale) {
		status, ok = http.StatusConflict, true
	}
	if !ok {
		return err
	}
	view := accessView(s, typed)
	view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
	return k.accessPage(c, v, status, s, view)
}
