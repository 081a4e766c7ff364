package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) registerContract() {
	k.tenant(http.MethodGet, "/:workspace/runtimes/:runtime/contract", authz.ReadWorkspace, k.contract)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/contract", authz.WriteUpstreams, k.contractSave)
	k.tenant(http.MethodPost, "/:workspace/runtimes/:runtime/contract/verify", authz.WriteUpstreams, k.contractVerify)
}

func (k *Console) contract(c echo.Context, v Visit) error {
	u, err := k.cfg.Upstreams.Get(c.Request().Context(), v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	return k.contractPage(c, v, http.StatusOK, u, u.Contract, pages.ContractPage{})
}

// contractPage shows the contract, which is the stored one or what was typed.
func (k *Console) contractPage(c echo.Context, v Visit, status int, u upstreams.Upstream, shown upstreams.Contract, view pages.ContractPage) error {
	var profile profiles.Profile
	var attached bool
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		_, profile, attached, err = profiles.Attached(tx, u.ID)
		return err
	})
	if err != nil {
		return err
	}
	if view.Shell, err = k.tenantShell(c, v, pages.SectionRuntimes); err != nil {
		return err
	}
	if attached {
		view.Profile, view.ProfileHref = profile.Name, v.path("profiles", profile.ID)
	}
	return k.page(c, status, pages.Contract(contractView(view, u, shown, attached)))
}

func (k *Console) contractSave(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	in := forms.ReadContract(v.Form, upstreams.ContractHeaders)
	typed := upstreams.Contract{Headers: in.Headers, Bearer: in.Bearer, AssertionOnly: in.AssertionOnly}
	if err = errs.Fields(v.Form.Unreadable()); err == nil {
		_, err = k.cfg.Upstreams.SetContract(ctx, v.Handle, u.Slug, typed, in.Version)
	}
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("runtimes", u.Slug, "contract"), "The contract is saved and holds within seconds. The runtime is being probed.")
	case errs.Is(err, errs.Invalid):
		return k.contractPage(c, v, http.StatusUnprocessableEntity, u, typed, pages.ContractPage{Errors: errs.FieldsOf(err), Summary: errs.Public(err)})
	case errs.Is(err, errs.Stale):
		// The form carries the stored version: sending it again is a decision for what was typed.
		return k.contractPage(c, v, http.StatusConflict, u, typed, pages.ContractPage{Summary: errs.Public(err)})
	}
	return err
}

// contractVerify calls the runtime. What it answered is shown and kept nowhere.
func (k *Console) contractVerify(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	report, err := k.cfg.Upstreams.Verify(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	u, err := k.cfg.Upstreams.Get(ctx, v.Handle, c.Param("runtime"))
	if err != nil {
		return err
	}
	return k.contractPage(c, v, http.StatusOK, u, u.Contract, pages.ContractPage{Report: contractReport(report)})
}
