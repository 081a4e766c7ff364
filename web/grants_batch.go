package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
)

const (
	// problemsShown is how many revocations that failed a report's page lists.
	problemsShown = 50
	// reportChunk is how many rows of a report are read at once.
	reportChunk = 500
)

// batchFound is a mass revoke with what its page tells about.
type batchFound struct {
	batch    grants.Batch
	report   []grants.ProfileReport
	problems []grants.Revocation
	profiles profileNames
	people   map[string]notify.Person
}

func (k *Console) findBatch(ctx context.Context, v Visit, id string) (f batchFound, err error) {
	if f.batch, err = k.cfg.Grants.Batch(ctx, v.Handle, id); err != nil {
		return batchFound{}, err
	}
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) error {
		list, err := profiles.List(tx)
		if err != nil {
			return err
		}
		f.profiles = nameProfiles(list)
		if f.report, err = grants.Report(tx, id); err != nil {
			return err
		}
		f.problems, err = grants.Revocations(tx, id, "", true, problemsShown+1)
		return err
	})
	if err != nil {
		return batchFound{}, err
	}
	subjects := map[string]bool{}
	for _, r := range f.problems {
		subjects[r.Subject] = true
	}
	f.people, err = k.cfg.People.Named(ctx, v.Handle, distinct(subjects))
	return f, err
}

func (k *Console) batch(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	f, err := k.findBatch(ctx, v, c.Param("batch"))
	if err != nil {
		return err
	}
	names, err := k.starters(ctx, []grants.Batch{f.batch})
	if err != nil {
		return err
	}
	shell, err := k.grantsShell(c, v)
	if err != nil {
		return err
	}
	view := pages.BatchPage{
		Shell: shell, Name: f.profiles.target(f.batch.Target), Live: k.batchLive(f, v), Facts: batchFacts(f.batch, names), At: moment(f.batch.CreatedAt),
		Report: v.path("grants", "revocations", f.batch.ID, "report.csv"),
	}
	if f.batch.FinishedAt == nil {
		view.Live.Stream = v.path("-", "stream") + "?topics=revocation:" + f.batch.ID
	}
	return k.page(c, http.StatusOK, pages.Batch(view))
}

// batchLive is the part that follows the run; the stream renders it, too.
func (k *Console) batchLive(f batchFound, v Visit) pages.BatchLive {
	live := batchLive(f)
	live.CSRF = v.Session.CSRF
	if f.batch.ListedAt == nil && k.clock.Now().Sub(f.batch.CreatedAt) > stalledAfter && authz.Allow(v.Member.Role, authz.WriteGrants) {
		live.Stopped = "Not all grants are revoked here yet: the process that did it ended. It goes on by itself within minutes, or now."
		live.Continue = v.path("grants", "revocations", f.batch.ID, "continue")
	}
	return live
}

// stalledAfter is when a run that is not through its list is taken for left behind.
const stalledAfter = time.Minute

func (k *Console) batchContinue(c echo.Context, v Visit) error {
	batch, err := k.cfg.Grants.Continue(c.Request().Context(), v.Handle, c.Param("batch"))
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("grants", "revocations", batch.ID), "All of its grants are revoked here.")
}

// batchReport is the whole report as a table for other programs.
func (k *Console) batchReport(c echo.Context, v Visit) error {
	ctx, id := c.Request().Context(), c.Param("batch")
	f, err := k.findBatch(ctx, v, id)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	lines := [][]string{{"person", "email", "subject", "profile", "grant", "state", "tries", "error", "began", "ended"}}
	for after := ""; ; {
		var list []grants.Revocation
		err := k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
			list, err = grants.Revocations(tx, id, after, false, reportChunk)
			return err
		})
		if err != nil {
			return err
		}
		subjects := map[string]bool{}
		for _, r := range list {
			subjects[r.Subject] = true
		}
		people, err := k.cfg.People.Named(ctx, v.Handle, distinct(subjects))
		if err != nil {
			return err
		}
		for _, r := range list {
			lines = append(lines, reportLine(r, people[r.Subject], f.profiles))
		}
		if len(list) < reportChunk {
			break
		}
		after = list[len(list)-1].ID
	}
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="revocation-`+id+`.csv"`)
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", out.Bytes())
}

func reportLine(r grants.Revocation, p notify.Person, names profileNames) []string {
	ended := ""
	if r.DoneAt != nil {
		ended = r.DoneAt.UTC().Format(time.RFC3339)
	}
	line := []string{p.Name, p.Email, r.Subject, names.of(r.ProfileID), r.GrantID, r.State, strconv.Itoa(r.Attempts), r.Error, r.CreatedAt.UTC().Format(time.RFC3339), ended}
	for i, cell := range line {
		line[i] = inert(cell)
	}
	return line
}

// inert keeps a spreadsheet from taking what somebody else chose for a formula.
func inert(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r") == 0 {
		return "'" + cell
	}
	return cell
}

// starters names those who began runs, by actor.
func (k *Console) starters(ctx context.Context, list []grants.Batch) (map[string]string, error) {
	accounts := map[string]bool{}
	for _, b := range list {
		if id, ok := strings.CutPrefix(b.StartedBy, "member:"); ok {
			accounts[id] = true
		}
	}
	found, err := k.cfg.Accounts.ByIDs(ctx, distinct(accounts))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for id, a := range found {
		out["member:"+id] = a.Email
	}
	return out, nil
}

func (k *Console) batchRows(ctx context.Context, v Visit, list []grants.Batch, names profileNames) ([]pages.BatchRow, error) {
	by, err := k.starters(ctx, list)
	if err != nil {
		return nil, err
	}
	var out []pages.BatchRow
	for _, b := range list {
		if b.Target.Kind == grants.TargetGrant {
			continue // those are on their grants' pages
		}
		out = append(out, pages.BatchRow{
			Href: v.path("grants", "revocations", b.ID), Name: names.target(b.Target), By: startedBy(b.StartedBy, by), Count: grouped(int64(b.Total)),
			Reason: b.Reason, State: batchBadge(b), At: moment(b.CreatedAt),
		})
	}
	return out, nil
}
