package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
)

// People names end users, whatever they sign in with. Its methods read the database
// and may block on it; errors are errs kinds.
type People interface {
	// Named gives people by subject, also those who may not sign in any more. Unknown
	// subjects are left out.
	Named(ctx context.Context, h tenancy.Handle, subjects []string) (map[string]notify.Person, error)
	// Find gives the subjects of people whose name or address contains the text, at most
	// limit.
	Find(ctx context.Context, h tenancy.Handle, text string, limit int) ([]string, error)
}

const (
	// grantsPage is how many grants a page of the list has.
	grantsPage = 50
	// maxFound bounds the people that a search goes on with.
	maxFound = 500
	// longestSearch bounds what people type, in bytes.
	longestSearch = 120
)

func (k *Console) registerGrants() {
	k.tenant(http.MethodGet, "/:workspace/grants", authz.ReadLogs, k.grants)
	k.tenant(http.MethodPost, "/:workspace/grants/ask", authz.WriteGrants, k.grantsAsk)
	k.tenant(http.MethodGet, "/:workspace/grants/revoke", authz.WriteGrants, k.massRevoke)
	k.tenant(http.MethodPost, "/:workspace/grants/revoke", authz.WriteGrants, k.massRevoked)
	k.tenant(http.MethodGet, "/:workspace/grants/revocations/:batch", authz.ReadLogs, k.batch)
	k.tenant(http.MethodGet, "/:workspace/grants/revocations/:batch/report.csv", authz.ReadLogs, k.batchReport)
	k.tenant(http.MethodPost, "/:workspace/grants/revocations/:batch/continue", authz.WriteGrants, k.batchContinue)
	k.tenant(http.MethodGet, "/:workspace/grants/:grant", authz.ReadLogs, k.grant)
	k.tenant(http.MethodPost, "/:workspace/grants/:grant/refresh", authz.WriteGrants, k.grantRefresh)
	k.tenant(http.MethodPost, "/:workspace/grants/:grant/ask", authz.WriteGrants, k.grantAsk)
	k.tenant(http.MethodGet, "/:workspace/grants/:grant/revoke", authz.WriteGrants, k.grantRevoke)
	k.tenant(http.MethodPost, "/:workspace/grants/:grant/revoke", authz.WriteGrants, k.grantRevoked)
}

// grantsShell says why a person may only look at grants.
func (k *Console) grantsShell(c echo.Context, v Visit) (pages.Shell, error) {
	shell, err := k.tenantShell(c, v, pages.SectionGrants)
	shell.ReadOnly = ""
	if !authz.Allow(v.Member.Role, authz.WriteGrants) {
		shell.ReadOnly = roleTooLow(v, authz.WriteGrants)
	}
	return shell, err
}

// grantQuery is what the address of the list asks for.
type grantQuery struct {
	text, profile, after string
	state                grants.State
}

func readGrantQuery(c echo.Context) (grantQuery, error) {
	q := grantQuery{
		text: strings.TrimSpace(c.QueryParam("q")), profile: c.QueryParam("profile"), after: c.QueryParam("after"), state: grants.State(c.QueryParam("state")),
	}
	if len(q.text) > longestSearch || !utf8.ValidString(q.text) || strings.ContainsRune(q.text, 0) {
		q.text = ""
	}
	if q.profile != "" && !validID(q.profile) || q.after != "" && !validID(q.after) || q.state != "" && stateNames[q.state].Text == "" {
		return grantQuery{}, refuse(http.StatusBadRequest, "There is no such place in the list", "The address is mistyped. Open the list anew.")
	}
	return q, nil
}

// href is the list's address with this query.
func (q grantQuery) href(v Visit) string {
	values := url.Values{}
	for name, value := range map[string]string{"q": q.text, "profile": q.profile, "state": string(q.state), "after": q.after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return v.path("grants")
	}
	return v.path("grants") + "?" + values.Encode()
}

// grantsFound is what a page of the list is made of.
type grantsFound struct {
	list     []grants.Grant
	counts   map[grants.State]int
	any      bool
	pauses   []grants.Pause
	affected map[string]int // usable grants by profile
	profiles profileNames
}

func (k *Console) grants(c echo.Context, v Visit) error {
	q, err := readGrantQuery(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	found, err := k.findGrants(ctx, v.Handle, q)
	if err != nil {
		return err
	}
	if q.profile != "" && found.profiles.byID[q.profile].ID == "" {
		return errs.E(errs.NotFound, "There is no such profile.", nil)
	}
	people, err := k.cfg.People.Named(ctx, v.Handle, subjectsOf(found.list))
	if err != nil {
		return err
	}
	view := pages.GrantsPage{
		Query: q.text, Profile: q.profile, State: string(q.state), Here: q.href(v), ProfilesHref: v.path("profiles"), None: !found.any,
		Problems: providerProblems(found, v), Profiles: found.profiles.options(), States: grantStates(found.counts, q, v),
	}
	chipGrants(&view, q, found.profiles, v)
	if len(found.list) > grantsPage {
		found.list = found.list[:grantsPage]
		older := q
		older.after = found.list[grantsPage-1].ID
		view.OlderHref = older.href(v)
	}
	if q.after != "" {
		newest := q
		newest.after = ""
		view.NewestHref = newest.href(v)
	}
	for _, g := range found.list {
		view.Rows = append(view.Rows, grantRow(g, people[g.Subject], found.profiles, v))
	}
	if view.Shell, err = k.grantsShell(c, v); err != nil {
		return err
	}
	_, view.CanMail = k.cfg.Notify.MailFrom()
	return k.page(c, http.StatusOK, pages.Grants(view))
}

func (k *Console) findGrants(ctx context.Context, h tenancy.Handle, q grantQuery) (f grantsFound, err error) {
	filter := grants.Filter{ProfileID: q.profile, Text: q.text}
	if q.text != "" {
		if filter.Subjects, err = k.cfg.People.Find(ctx, h, q.text, maxFound); err != nil {
			return grantsFound{}, err
		}
	}
	err = k.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
		list, err := profiles.List(tx)
		if err != nil {
			return err
		}
		f.profiles = nameProfiles(list)
		if f.counts, err = grants.Counts(tx, filter); err != nil {
			return err
		}
		filter.State, filter.After, filter.Limit = q.state, q.after, grantsPage+1
		if f.list, err = grants.List(tx, filter); err != nil {
			return err
		}
		if f.any = len(f.list) > 0; !f.any {
			anyone, err := grants.List(tx, grants.Filter{Limit: 1})
			if err != nil {
				return err
			}
			f.any = len(anyone) > 0
		}
		if f.pauses, err = grants.Pauses(tx); err != nil || len(f.pauses) == 0 {
			return err
		}
		f.affected, err = grants.CountProfiles(tx)
		return err
	})
	return f, err
}

func subjectsOf(list []grants.Grant) []string {
	seen := map[string]bool{}
	for _, g := range list {
		seen[g.Subject] = true
	}
	return distinct(seen)
}
