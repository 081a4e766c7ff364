package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
)

const (
	// drillActor is who the audit log names.
	drillActor = "emcy grants revoke"
	// drillStill is how long the command waits without any progress: longer than what
	// another process may hold a revocation that it began.
	drillStill = 90 * time.Second
	// drillLook is how often it looks for progress that another process makes.
	drillLook = time.Second
)

const drillUsage = `Usage: emcy grants revoke (--workspace SLUG [--profile ID] | --all) --reason TEXT [--report FILE] [--yes]

Revokes downstream grants: forgets their tokens here at once, then has them taken back
at their providers (RFC 7009). Works on the database of the environment's settings, as
emcy migrate does; a gateway that runs on PostgreSQL may go on running meanwhile.
Without --yes it only counts. A run that was ended can be begun again: it goes on.

`

// drill is the operator's mass revoke.
type drill struct {
	workspace, profile, reason, report string
	all, yes                           bool
	// still and look are drillStill and drillLook but in tests.
	still, look time.Duration
}

// readDrill reads the command's arguments. What is wrong with them is told on stderr.
func readDrill(args []string, stderr io.Writer) (drill, bool) {
	d := drill{still: drillStill, look: drillLook}
	if len(args) == 0 || args[0] != "revoke" {
		_, _ = fmt.Fprint(stderr, drillUsage)
		return drill{}, false
	}
	set := flag.NewFlagSet("emcy grants revoke", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		_, _ = fmt.Fprint(stderr, drillUsage)
		set.PrintDefaults()
	}
	set.StringVar(&d.workspace, "workspace", "", "the slug of the workspace")
	set.BoolVar(&d.all, "all", false, "every workspace of this installation")
	set.StringVar(&d.profile, "profile", "", "only the grants of the profile with this id (prf_…)")
	set.StringVar(&d.reason, "reason", "", "why; it stands in the report and in the audit log")
	set.StringVar(&d.report, "report", "", "write a report as JSON to this file")
	set.BoolVar(&d.yes, "yes", false, "do it, and do not only count")
	if set.Parse(args[1:]) != nil {
		return drill{}, false
	}
	problem := ""
	switch {
	case set.NArg() > 0:
		problem = "unknown argument " + set.Arg(0)
	case d.all == (d.workspace != ""):
		problem = "say either --workspace SLUG or --all"
	case d.all && d.profile != "":
		problem = "a profile belongs to a workspace: say --workspace with --profile"
	case strings.TrimSpace(d.reason) == "":
		problem = "say why with --reason"
	}
	if problem != "" {
		_, _ = fmt.Fprintln(stderr, "emcy grants revoke: "+problem)
		return drill{}, false
	}
	return d, true
}

// drillRun is one workspace's part of a drill.
type drillRun struct {
	handle   tenancy.Handle
	target   grants.Target
	profiles map[string]string // names by id
	batches  []grants.Batch
}

// run is the command.
func (d drill) run(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	log := logx.New(stderr, max(cfg.LogLevel, slog.LevelWarn), cfg.LogJSON)
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	g := &gateway{cfg: cfg, log: log, quiet: log, db: db}
	g.onStop(func(context.Context) error { return db.Close() })
	defer func() { err = errors.Join(err, g.stop()) }()
	queue, err := jobs.New(db, log)
	if err != nil {
		return err
	}
	out := outbound.Config{AllowPrivate: cfg.AllowPrivate, UserAgent: "Emcy-Gateway/" + version()}
	alerts, err := g.newNotify(accounts.New(db, accounts.DefaultCost), out)
	if err != nil {
		return err
	}
	if g.grants, _, err = g.newGrants(queue, alerts, outbound.New(out)); err != nil {
		return err
	}
	began := db.Clock().Now()
	runs, living, err := d.find(ctx, g)
	if err != nil {
		return err
	}
	if !d.yes {
		_, _ = fmt.Fprintf(stdout, "%d grants in %d workspaces would be revoked. Nothing is done yet: say --yes.\n", living, len(runs))
		return nil
	}
	for i := range runs {
		if err := d.begin(ctx, g, &runs[i], stdout); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(runs, func(r drillRun) bool { return len(r.batches) > 0 }) {
		_, _ = fmt.Fprintln(stdout, "Nothing is left to revoke.")
	}
	worked := d.work(ctx, g, runs, stdout)
	if err := d.write(context.WithoutCancel(ctx), g, runs, began, stdout); err != nil {
		return errors.Join(worked, err)
	}
	return worked
}

// find finds the workspaces that are meant, and counts what would be revoked.
func (d drill) find(ctx context.Context, g *gateway) (runs []drillRun, living int, err error) {
	handles, err := g.db.ForEveryTenant(ctx, drillActor)
	if err != nil {
		return nil, 0, err
	}
	target := grants.Target{Kind: grants.TargetTenant}
	if d.profile != "" {
		target = grants.Target{Kind: grants.TargetProfile, ID: d.profile}
	}
	for _, h := range handles {
		if !d.all && h.Slug() != d.workspace {
			continue
		}
		run := drillRun{handle: h.As("system", drillActor), target: target, profiles: map[string]string{}}
		n, err := run.living(ctx, g)
		if err != nil {
			return nil, 0, err
		}
		living += n
		runs = append(runs, run)
	}
	if len(runs) == 0 && !d.all {
		return nil, 0, fmt.Errorf("there is no workspace %q", d.workspace)
	}
	return runs, living, nil
}

// living counts the grants of the run's target that are not revoked.
func (r *drillRun) living(ctx context.Context, g *gateway) (n int, err error) {
	err = g.db.Read(ctx, r.handle, func(tx *tenancy.Tx) error {
		list, err := profiles.List(tx)
		if err != nil {
			return err
		}
		for _, p := range list {
			r.profiles[p.ID] = p.Name
		}
		if _, known := r.profiles[r.target.ID]; r.target.Kind == grants.TargetProfile && !known {
			return errs.E(errs.NotFound, "The workspace has no profile "+r.target.ID+".", nil)
		}
		counts, err := grants.CountProfiles(tx)
		for id, of := range counts {
			if r.target.ID == "" || r.target.ID == id {
				n += of
			}
		}
		return err
	})
	return n, err
}

// begin goes on with what an earlier run left, and revokes what is there.
func (d drill) begin(ctx context.Context, g *gateway, r *drillRun, stdout io.Writer) error {
	earlier, err := g.grants.Batches(ctx, r.handle)
	if err != nil {
		return err
	}
	for _, b := range earlier {
		if b.FinishedAt != nil || b.Target != r.target {
			continue
		}
		if b, err = g.grants.Continue(ctx, r.handle, b.ID); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "%s: goes on with %s of %s, %d grants\n", r.handle.Slug(), b.ID, b.CreatedAt.UTC().Format(time.RFC3339), b.Total)
		r.batches = append(r.batches, b)
	}
	n, err := r.living(ctx, g)
	if err != nil || n == 0 {
		return err
	}
	b, err := g.grants.RevokeAll(ctx, r.handle, r.target, strings.TrimSpace(d.reason))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%s: revoked %d grants here (%s)\n", r.handle.Slug(), b.Total, b.ID)
	r.batches = append(r.batches, b)
	return nil
}

// work tells the providers until each answered, or nothing moves any more. What is
// left is tried by the next run, and by a gateway that runs.
func (d drill) work(ctx context.Context, g *gateway, runs []drillRun, stdout io.Writer) error {
	last, since := -1, g.db.Clock().Now()
	for {
		if err := g.grants.RevokeDue(ctx); err != nil {
			return err
		}
		sum, err := refreshBatches(ctx, g, runs)
		if err != nil {
			return err
		}
		if sum.Pending != last {
			_, _ = fmt.Fprintf(stdout, "providers: %d took them back, %d cannot, %d failed, %d to do\n", sum.Done, sum.Unsupported, sum.Failed, sum.Pending)
			last, since = sum.Pending, g.db.Clock().Now()
		}
		switch {
		case sum.Pending == 0 && sum.Failed > 0:
			return fmt.Errorf("%d grants are revoked here, but their providers did not take them back", sum.Failed)
		case sum.Pending == 0:
			return nil
		case g.db.Clock().Now().Sub(since) >= d.still:
			return fmt.Errorf("%d grants are revoked here, but their providers do not take them back now: run this again, or leave it to the gateway, which tries for a day", sum.Pending)
		}
		pause, end := context.WithTimeout(ctx, d.look)
		<-pause.Done()
		end()
		if ctx.Err() != nil {
			return fmt.Errorf("ended with %d left to do: run this again, it goes on", sum.Pending)
		}
	}
}

// refreshBatches reads how far the runs are, and sums it.
func refreshBatches(ctx context.Context, g *gateway, runs []drillRun) (sum grants.Batch, err error) {
	for i := range runs {
		for j, b := range runs[i].batches {
			if b, err = g.grants.Batch(ctx, runs[i].handle, b.ID); err != nil {
				return grants.Batch{}, err
			}
			runs[i].batches[j] = b
			sum.Total += b.Total
			sum.Pending += b.Pending
			sum.Done += b.Done
			sum.Failed += b.Failed
			sum.Unsupported += b.Unsupported
		}
	}
	return sum, nil
}
