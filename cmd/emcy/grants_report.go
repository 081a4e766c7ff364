package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/tenancy"
)

// drillProblems bounds the revocations that the report names one by one.
const drillProblems = 10_000

// drillReport is the file of --report. It holds no token.
type drillReport struct {
	Reason   string       `json:"reason"`
	Began    time.Time    `json:"began_at"`
	Ended    time.Time    `json:"ended_at"`
	Complete bool         `json:"complete"`
	Batches  []drillBatch `json:"batches"`
}

type drillBatch struct {
	Workspace string         `json:"workspace"`
	ID        string         `json:"id"`
	Reason    string         `json:"reason"`
	Began     time.Time      `json:"began_at"`
	Ended     *time.Time     `json:"ended_at"`
	Revoked   int            `json:"revoked_here"`
	Profiles  []drillProfile `json:"profiles"`
	Problems  []drillProblem `json:"problems"`
}

type drillProfile struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Total       int    `json:"told"`
	Done        int    `json:"taken_back"`
	Unsupported int    `json:"unsupported"`
	Failed      int    `json:"failed"`
	Pending     int    `json:"pending"`
}

type drillProblem struct {
	Grant   string `json:"grant"`
	Subject string `json:"subject"`
	Profile string `json:"profile"`
	State   string `json:"state"`
	Tries   int    `json:"tries"`
	Error   string `json:"error"`
}

// write makes the report, also of a run that was cut short.
func (d drill) write(ctx context.Context, g *gateway, runs []drillRun, began time.Time, stdout io.Writer) error {
	if d.report == "" {
		return nil
	}
	sum, err := refreshBatches(ctx, g, runs)
	if err != nil {
		return err
	}
	out := drillReport{Reason: strings.TrimSpace(d.reason), Began: began.UTC(), Ended: g.db.Clock().Now().UTC(), Complete: sum.Pending == 0 && sum.Failed == 0, Batches: []drillBatch{}}
	for _, r := range runs {
		for _, b := range r.batches {
			one, err := r.reportOf(ctx, g, b)
			if err != nil {
				return err
			}
			out.Batches = append(out.Batches, one)
		}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(d.report, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, _ = fmt.Fprintf(stdout, "The report is in %s.\n", d.report)
	return nil
}

func (r *drillRun) reportOf(ctx context.Context, g *gateway, b grants.Batch) (drillBatch, error) {
	out := drillBatch{
		Workspace: r.handle.Slug(), ID: b.ID, Reason: b.Reason, Began: b.CreatedAt.UTC(), Ended: b.FinishedAt, Revoked: b.Total, Profiles: []drillProfile{}, Problems: []drillProblem{},
	}
	err := g.db.Read(ctx, r.handle, func(tx *tenancy.Tx) error {
		sums, err := grants.Report(tx, b.ID)
		if err != nil {
			return err
		}
		for _, s := range sums {
			out.Profiles = append(out.Profiles, drillProfile{s.ProfileID, r.profiles[s.ProfileID], s.Total, s.Done, s.Unsupported, s.Failed, s.Pending})
		}
		problems, err := grants.Revocations(tx, b.ID, "", true, drillProblems)
		for _, p := range problems {
			out.Problems = append(out.Problems, drillProblem{p.GrantID, p.Subject, p.ProfileID, p.State, p.Attempts, p.Error})
		}
		return err
	})
	slices.SortFunc(out.Problems, func(a, b drillProblem) int { return strings.Compare(a.Grant, b.Grant) })
	return out, err
}
