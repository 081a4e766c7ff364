package web

import (
	"context"
	"maps"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// ProfileTrials starts the test of a profile's sign-in.
type ProfileTrials interface {
	// NewTrial makes the ticket with which an administrator tries a profile out on the
	// tenant's origin, where the console's session is worth nothing; errs.NotFound.
	NewTrial(ctx context.Context, h tenancy.Handle, profileID string) (ticket string, err error)
}

func (k *Console) registerProfiles() {
	k.tenant(http.MethodGet, "/:workspace/profiles", authz.ReadWorkspace, k.profiles)
	k.tenant(http.MethodGet, "/:workspace/profiles/new", authz.WriteProfiles, k.profilePresets)
	k.tenant(http.MethodGet, "/:workspace/profiles/new/:profile", authz.WriteProfiles, k.profileNew)
	k.tenant(http.MethodPost, "/:workspace/profiles/new/:profile", authz.WriteProfiles, k.profileCreate)
	k.tenant(http.MethodGet, "/:workspace/profiles/:profile", authz.ReadWorkspace, k.profile)
	k.tenant(http.MethodGet, "/:workspace/profiles/:profile/edit", authz.WriteProfiles, k.profileEdit)
	k.tenant(http.MethodPost, "/:workspace/profiles/:profile/edit", authz.WriteProfiles, k.profileUpdate)
	k.tenant(http.MethodPost, "/:workspace/profiles/:profile/discover", authz.WriteProfiles, k.profileDiscover)
	k.tenant(http.MethodGet, "/:workspace/profiles/:profile/client", authz.WriteProfiles, k.profileClient)
	k.tenant(http.MethodPost, "/:workspace/profiles/:profile/client", authz.WriteProfiles, k.profileClientReplace)
	k.tenant(http.MethodGet, "/:workspace/profiles/:profile/remove", authz.WriteProfiles, k.profileRemove)
	k.tenant(http.MethodPost, "/:workspace/profiles/:profile/remove", authz.WriteProfiles, k.profileRemoved)
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/access", authz.ReadWorkspace, k.access)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/access", authz.WriteProfiles, k.accessSave)
}

// profilesShell says to those who may only look why they cannot change a profile.
func profilesShell(shell pages.Shell, v Visit) pages.Shell {
	shell.ReadOnly = ""
	if !authz.Allow(v.Member.Role, authz.WriteProfiles) {
		shell.ReadOnly = roleTooLow(v, authz.WriteProfiles)
	}
	return shell
}

func (k *Console) profiles(c echo.Context, v Visit) error {
	var list []profiles.Profile
	var grants map[string]profiles.Counts
	var attached map[string]int
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		if list, err = profiles.List(tx); err != nil {
			return err
		}
		if attached, err = profiles.AttachmentCounts(tx); err != nil {
			return err
		}
		grants, err = profiles.CountAllGrants(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	view := pages.ProfilesPage{Shell: profilesShell(shell, v)}
	for _, p := range list {
		view.Rows = append(view.Rows, profileRow(p, attached[p.ID], grants[p.ID], k.clock.Now()))
	}
	return k.page(c, http.StatusOK, pages.Profiles(view))
}

// profilePresets settles the id of a profile to come: its redirect URI has to be
// registered at the provider before there is a client id to type.
func (k *Console) profilePresets(c echo.Context, v Visit) error {
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	form := v.path("profiles", "new", profiles.NewID())
	view := pages.ProfilePresetsPage{Shell: profilesShell(shell, v), Others: otherCards(form)}
	for _, preset := range provider.Presets() {
		view.Presets = append(view.Presets, presetCard(preset, form))
	}
	return k.page(c, http.StatusOK, pages.ProfilePresets(view))
}

func (k *Console) profileNew(c echo.Context, v Visit) error {
	values, preset, ok := freshProfile(profiles.Kind(c.QueryParam("kind")), c.QueryParam("preset"))
	if !ok {
		return k.see(c, v.path("profiles", "new"))
	}
	return k.profileForm(c, v, http.StatusOK, pages.ProfileFormPage{Values: values, Known: knownScopes(preset, nil, values.Scopes)}, preset, nil)
}

// profileForm shows the form; preset is what the profile is made from, typed what was
// typed of the preset's own fields.
func (k *Console) profileForm(c echo.Context, v Visit, status int, view pages.ProfileFormPage, preset provider.Preset, typed map[string]string) error {
	id := c.Param("profile")
	if !profiles.ValidID(id) {
		return errs.E(errs.NotFound, "Not found.", nil)
	}
	shell, err := k.tenantShell(c, v, pages.SectionProfiles)
	if err != nil {
		return err
	}
	view.Shell, view.ID = profilesShell(shell, v), id
	if view.Values.Kind == string(profiles.KindOAuth) {
		view.Callback = shell.Workspace.Origin + profiles.CallbackPath(id)
		view.Register, view.RegisterHref = registerAt(preset)
	}
	if !view.Edit {
		view.Name, view.PresetFields = madeFrom(view.Values.Kind, preset), presetFields(preset, typed)
	}
	return k.page(c, status, pages.ProfileForm(view))
}

func (k *Console) profileCreate(c echo.Context, v Visit) error {
	preset, _ := provider.PresetByID(forms.ReadPreset(v.Form))
	in := forms.ReadProfile(v.Form, presetFieldNames(preset))
	input, err := profileInput(in)
	if err == nil {
		err = errs.Fields(v.Form.Unreadable())
	}
	if err == nil {
		err = fillPreset(preset, &input, in.PresetFields)
	}
	if err == nil {
		_, err = k.cfg.Profiles.Create(c.Request().Context(), v.Handle, c.Param("profile"), input)
	}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("profiles", c.Param("profile")), created(input))
	}
	return k.profileAgain(c, v, in, pages.ProfileFormPage{}, preset, err)
}

// profileAgain shows the form with what was typed.
func (k *Console) profileAgain(c echo.Context, v Visit, in forms.Profile, view pages.ProfileFormPage, preset provider.Preset, err error) error {
	status, ok := k.again(c, err)
	if errs.Is(err, errs.Stale) {
		status, ok = http.StatusConflict, true
	}
	if !ok {
		return err
	}
	view.Values, view.Errors, view.Summary = pages.ProfileValues(in.Fields), errs.FieldsOf(err), errs.Public(err)
	if view.Errors = typeAgain(view.Errors, in.Secret, in.InitialToken); len(view.Errors) > 1 {
		view.Summary = "Some fields need attention."
	}
	view.AskSecret = view.Errors["client_secret"] != ""
	if view.Version == "" {
		view.Version = version(in.Version)
	}
	view.Known = knownScopes(preset, nil, in.Fields.Scopes)
	return k.profileForm(c, v, status, view, preset, in.PresetFields)
}

// typeAgain says of secrets that were typed that they are not sent back to the page.
func typeAgain(messages map[string]string, clientSecret, initialToken string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, messages)
	if clientSecret != "" && out["client_secret"] == "" {
		out["client_secret"] = "Type the secret again: it is not sent back to this page."
	}
	if initialToken != "" && out["initial_token"] == "" {
		out["initial_token"] = "Type the token again: it is not sent back to this page."
	}
	return out
}

func (k *Console) oneProfile(ctx context.Context, v Visit, id string) (p profiles.Profile, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		p, err = profiles.Get(tx, id)
		return err
	})
	return p, err
}

func (k *Console) profileEdit(c echo.Context, v Visit) error {
	p, err := k.oneProfile(c.Request().Context(), v, c.Param("profile"))
	if err != nil {
		return err
	}
	preset, _ := provider.PresetByID(p.Preset)
	return k.profileForm(c, v, http.StatusOK, pages.ProfileFormPage{
		Edit: true, Name: p.Name, Values: storedProfile(p), Version: version(p.Version), Known: knownScopes(preset, p.Settings.ScopeText, p.Settings.Scopes),
	}, preset, nil)
}

func (k *Console) profileUpdate(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	stored, err := k.oneProfile(ctx, v, c.Param("profile"))
	if err != nil {
		return err
	}
	preset, _ := provider.PresetByID(stored.Preset)
	in := forms.ReadProfile(v.Form, nil)
	in.Fields.Kind, in.Fields.Preset = string(stored.Kind), stored.Preset
	input, err := profileInput(in)
	if err == nil {
		err = errs.Fields(v.Form.Unreadable())
	}
	keepWords(&input, stored)
	if err == nil {
		_, err = k.cfg.Profiles.Update(ctx, v.Handle, stored.ID, input, in.Version)
	}
	view := pages.ProfileFormPage{Edit: true, Name: stored.Name}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("profiles", stored.ID), "The changes are saved. Every edge follows within seconds.")
	}
	if errs.Is(err, errs.Stale) {
		// The form comes back over the stored version: sending it again is a decision for it.
		view.Version = version(stored.Version)
		err = errs.E(errs.Stale, "Someone changed this profile while you were editing. Saving puts your values in the place of theirs.", nil)
	}
	return k.profileAgain(c, v, in, view, preset, err)
}
