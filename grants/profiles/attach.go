package profiles

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// maxTools bounds the tools that have scopes of their own at one runtime.
const maxTools = 1000

// AttachInput is what a runtime takes of a profile.
type AttachInput struct {
	ProfileID  string
	Scopes     []string
	ToolScopes map[string][]string
	NeededFor  string
	Audience   string
	// Version is the attachment's that the form was filled from; 0 where there was none.
	Version int64
}

// All are the scopes of the runtime and of its tools, each once.
func (a Attachment) All() []string {
	out := slices.Clone(a.Scopes)
	for _, tool := range slices.Sorted(maps.Keys(a.ToolScopes)) {
		for _, s := range a.ToolScopes[tool] {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// Attach gives a runtime a profile, or changes what it takes of it. The upstream has to
// be the tenant's. Errors: errs.Invalid with Fields, errs.NotFound, errs.Stale.
func (p *Profiles) Attach(ctx context.Context, h tenancy.Handle, upstreamID string, in AttachInput) error {
	err := p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadProfile(tx, in.ProfileID, true)
		if err != nil {
			return err
		}
		profile, err := row.profile()
		if err != nil {
			return err
		}
		if err := in.check(profile); err != nil {
			return err
		}
		if err := hasUpstream(tx, upstreamID); err != nil {
			return err
		}
		before, err := current(tx, upstreamID, in.Version)
		if err != nil {
			return err
		}
		tools, err := encode(in.ToolScopes)
		if err != nil {
			return err
		}
		next := attachmentRow{
			TenantID: tx.Tenant(), UpstreamID: upstreamID, ProfileID: in.ProfileID, Scopes: strings.Join(in.Scopes, " "), ToolScopes: tools,
			NeededFor: in.NeededFor, Audience: in.Audience, Version: in.Version + 1, CreatedAt: tx.Now(),
		}
		if before == nil {
			err = tx.DB().Create(&next).Error
		} else {
			err = tx.DB().Model(&attachmentRow{}).Where("upstream_id = ?", upstreamID).Select("profile_id", "scopes", "tool_scopes", "needed_for", "audience", "version").Updates(&next).Error
		}
		if err != nil {
			return err
		}
		if before != nil && before.ProfileID != next.ProfileID {
			if err := p.endSignIns(tx, before.ProfileID, upstreamID, "the runtime has another profile"); err != nil {
				return err
			}
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.attach", TargetKind: "upstream", TargetID: upstreamID, Before: before.facts(), After: next.facts()})
	})
	if err != nil {
		return fmt.Errorf("attach profile: %w", err)
	}
	return nil
}

// Detach takes the profile away from a runtime. People's grants stay: the profile may
// be attached elsewhere. Errors: errs.Stale.
func (p *Profiles) Detach(ctx context.Context, h tenancy.Handle, upstreamID string, version int64) error {
	err := p.cfg.DB.Write(ctx, h, func(tx *tenancy.Tx) error {
		before, err := current(tx, upstreamID, version)
		if err != nil || before == nil {
			return err
		}
		if err := tx.DB().Where("upstream_id = ?", upstreamID).Delete(&attachmentRow{}).Error; err != nil {
			return err
		}
		if err := p.endSignIns(tx, before.ProfileID, upstreamID, "the profile was detached"); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return audit.Record(tx, audit.Entry{Action: "profile.detach", TargetKind: "upstream", TargetID: upstreamID, Before: before.facts()})
	})
	if err != nil {
		return fmt.Errorf("detach profile: %w", err)
	}
	return nil
}

// current is the attachment as it is stored, nil where there is none. Errors:
// errs.Stale where it is not of the version.
func current(tx *tenancy.Tx, upstreamID string, version int64) (*attachmentRow, error) {
	rows, err := attachmentRows(tx, "upstream_id = ?", upstreamID)
	if err != nil {
		return nil, err
	}
	var stored int64
	if len(rows) > 0 {
		stored = rows[0].Version
	}
	if stored != version {
		return nil, errs.E(errs.Stale, "Somebody changed this while you were editing. Look at the current values, then save again.", nil)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

func (in *AttachInput) check(profile Profile) error {
	f := faults{}
	in.Scopes = f.among("scopes", in.Scopes, profile)
	tools := map[string][]string{}
	for tool, scopes := range in.ToolScopes {
		extra := f.among("tool_scopes", scopes, profile)
		extra = slices.DeleteFunc(extra, func(s string) bool { return slices.Contains(in.Scopes, s) })
		if len(extra) > 0 {
			tools[tool] = extra
		}
	}
	if len(tools) > maxTools {
		f.add("tool_scopes", fmt.Sprintf("At most %d tools can have scopes of their own.", maxTools))
	}
	in.ToolScopes = tools
	if !slices.Contains([]string{NeededForNothing, NeededForCalls, NeededForEverything}, in.NeededFor) {
		f.add("needed_for", "Choose what a connection is needed for.")
	}
	f.line("audience", &in.Audience, maxField, false)
	if profile.Kind != KindExchange {
		in.Audience = ""
	}
	return errs.Fields(f)
}

// among keeps the scopes in the profile's order, and refuses those that it does not allow.
func (f faults) among(field string, typed []string, profile Profile) []string {
	allowed := profile.Settings.Scopes
	for _, s := range typed {
		if !slices.Contains(allowed, s) {
			f.add(field, fmt.Sprintf("The profile does not allow the scope “%s”.", clip(s)))
		}
	}
	var out []string
	for _, s := range allowed {
		if slices.Contains(typed, s) {
			out = append(out, s)
		}
	}
	return out
}

// facts are what the audit log keeps.
func (r *attachmentRow) facts() any {
	if r == nil {
		return nil
	}
	return map[string]string{"profile": r.ProfileID, "scopes": r.Scopes, "tool_scopes": r.ToolScopes, "needed_for": r.NeededFor, "audience": r.Audience}
}

type upstreamRow struct {
	TenantID, ID string
}

func (upstreamRow) TableName() string { return "upstreams" }

func hasUpstream(tx *tenancy.Tx, id string) error {
	var n int64
	if err := tx.DB().Model(&upstreamRow{}).Where("id = ?", id).Count(&n).Error; err != nil {
		return err
	}
	if n == 0 {
		return errs.E(errs.NotFound, "There is no such runtime.", nil)
	}
	return nil
}
