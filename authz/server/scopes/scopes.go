package scopes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const (
	// maxScopes and maxTools bound a tenant's rows: scopes, and what one of them opens at one runtime.
	maxScopes = 50
	maxTools  = 2000
)

// Scopes is the use cases.
type Scopes struct{ db *tenancy.DB }

// New makes them.
func New(db *tenancy.DB) *Scopes { return &Scopes{db: db} }

// Catalogue reads the tenant's scopes.
func (s *Scopes) Catalogue(ctx context.Context, h tenancy.Handle) (authz.Catalogue, error) {
	var out authz.Catalogue
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		out, err = Load(tx)
		return err
	})
	if err != nil {
		return authz.Catalogue{}, fmt.Errorf("read scopes: %w", err)
	}
	return out, nil
}

// errNone is the answer for a scope that is not there.
var errNone = errs.E(errs.NotFound, "There is no such scope.", nil)

// Create adds a scope behind the others; it opens nothing yet. Errors: Invalid with
// the fields name, title, description, includes.
func (s *Scopes) Create(ctx context.Context, h tenancy.Handle, in Input) error {
	in = in.trimmed()
	messages := in.check()
	if message := checkName(in.Name); message != "" {
		messages["name"] = message
	}
	if err := errs.Fields(messages); err != nil {
		return err
	}
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		if slices.ContainsFunc(all, func(o authz.Scope) bool { return o.Name == in.Name }) {
			return errs.Field("name", "There is a scope of this name.")
		}
		if len(all) == maxScopes {
			return errs.Field("name", fmt.Sprintf("A workspace holds at most %d scopes.", maxScopes))
		}
		added := in.scope(nil)
		if err := judge(append(all, added)); err != nil {
			return err
		}
		position, err := behind(tx)
		if err != nil {
			return err
		}
		if err := create(tx, added, position); err != nil {
			return err
		}
		return record(tx, "scope.create", in.Name, nil, shown(added))
	})
	if err != nil {
		return fmt.Errorf("create scope: %w", err)
	}
	return nil
}

// Update changes everything of a scope but its name, which clients and tokens hold,
// and its tools. Errors: Invalid as in Create, NotFound, and Stale when edition is not
// that of the stored scope.
func (s *Scopes) Update(ctx context.Context, h tenancy.Handle, edition string, in Input) error {
	in = in.trimmed()
	if err := errs.Fields(in.check()); err != nil {
		return err
	}
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		i, err := find(all, in.Name, edition)
		if err != nil {
			return err
		}
		before := all[i]
		after := in.scope(before.Tools)
		all[i] = after
		if err := judge(all); err != nil {
			return err
		}
		if err := update(tx, after); err != nil {
			return err
		}
		return record(tx, "scope.update", in.Name, shown(before), shown(after))
	})
	if err != nil {
		return fmt.Errorf("update scope: %w", err)
	}
	return nil
}

// SetTools says what a scope opens at one runtime: exact names, and authz.AnyTool.
// A name stays also while the runtime does not list it. Errors: Invalid with the field tools,
// NotFound for a scope or a runtime that is not there, and Stale as in Update.
func (s *Scopes) SetTools(ctx context.Context, h tenancy.Handle, name, edition, upstreamID string, tools []string) error {
	tools = slices.Compact(slices.Sorted(slices.Values(tools)))
	if err := checkTools(tools); err != nil {
		return err
	}
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		i, err := find(all, name, edition)
		if err != nil {
			return err
		}
		if err := exists(tx, upstreamID); err != nil {
			return err
		}
		before := at(all[i], upstreamID)
		if err := putTools(tx, name, upstreamID, tools); err != nil {
			return err
		}
		return record(tx, "scope.tools", name, toolsShown(upstreamID, before), toolsShown(upstreamID, tools))
	})
	if err != nil {
		return fmt.Errorf("set tools of scope: %w", err)
	}
	return nil
}

// Move puts a scope one place earlier or later. The first that opens a tool is the one that a challenge names.
func (s *Scopes) Move(ctx context.Context, h tenancy.Handle, name string, earlier bool) error {
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		i, err := find(all, name, "")
		if err != nil {
			return err
		}
		j := i + 1
		if earlier {
			j = i - 1
		}
		if j < 0 || j == len(all) {
			return nil
		}
		before := names(all)
		all[i], all[j] = all[j], all[i]
		if err := order(tx, all); err != nil {
			return err
		}
		return record(tx, "scope.move", name, before, names(all))
	})
	if err != nil {
		return fmt.Errorf("move scope: %w", err)
	}
	return nil
}

// Delete removes a scope, also from those that include it, and from all that was allowed:
// the next refresh gives a token without it, and a later scope of the same name has to be
// asked for anew. Until then an access token keeps the word. Errors: NotFound.
func (s *Scopes) Delete(ctx context.Context, h tenancy.Handle, name string) error {
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		i, err := find(all, name, "")
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Includes.Has(name) {
				o.Includes = slices.DeleteFunc(slices.Clone(o.Includes), func(n string) bool { return n == name })
				if err := update(tx, o); err != nil {
					return err
				}
			}
		}
		if err := tx.DB().Where("name = ?", name).Delete(&scopeRow{}).Error; err != nil {
			return fmt.Errorf("delete scope: %w", err)
		}
		if err := takeBack(tx, name); err != nil {
			return err
		}
		return record(tx, "scope.delete", name, shown(all[i]), nil)
	})
	if err != nil {
		return fmt.Errorf("delete scope: %w", err)
	}
	return nil
}

// change runs with the catalogue as it is, alone, and has the edges load it anew.
func (s *Scopes) change(ctx context.Context, h tenancy.Handle, fn func(tx *tenancy.Tx, all []authz.Scope) error) error {
	return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		if err := lockTenant(tx); err != nil {
			return err
		}
		all, err := load(tx)
		if err != nil {
			return err
		}
		if err := fn(tx, all); err != nil {
			return err
		}
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return nil
	})
}

// find gives a scope's place; an empty edition is any.
func find(all []authz.Scope, name, edition string) (int, error) {
	i := slices.IndexFunc(all, func(o authz.Scope) bool { return o.Name == name })
	if i < 0 {
		return 0, errNone
	}
	if edition != "" && edition != Edition(all[i]) {
		return 0, errs.E(errs.Stale, "Somebody changed this scope while you were editing. Look at the current values, then save again.", nil)
	}
	return i, nil
}

// judge turns a fault of the catalogue into words at a field.
func judge(all []authz.Scope) error {
	_, err := authz.NewCatalogue(all)
	switch {
	case errors.Is(err, authz.ErrCycle):
		return errs.Field("includes", "Scopes would include one another in a circle.")
	case errors.Is(err, authz.ErrUnknownInclude):
		return errs.Field("includes", "One of these scopes is gone. Choose again.")
	}
	return err
}

func exists(tx *tenancy.Tx, upstreamID string) error {
	var row upstreamRow
	if strings.ContainsRune(upstreamID, 0) {
		return errNone
	}
	if err := tx.DB().Where("id = ?", upstreamID).First(&row).Error; err != nil {
		return fmt.Errorf("find runtime: %w", err)
	}
	return nil
}

func record(tx *tenancy.Tx, action, name string, before, after any) error {
	return audit.Record(tx, audit.Entry{Action: action, TargetKind: "scope", TargetID: name, Before: before, After: after})
}

// at lists what a scope opens itself at a runtime.
func at(s authz.Scope, upstreamID string) []string {
	var out []string
	for _, t := range s.Tools {
		if t.UpstreamID == upstreamID {
			out = append(out, t.Name)
		}
	}
	return out
}

func names(all []authz.Scope) (out []string) {
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out
}

func shown(s authz.Scope) map[string]any {
	return map[string]any{"title": s.Title, "description": s.Description, "includes": s.Includes, "initial": s.Initial, "tools": len(s.Tools)}
}

func toolsShown(upstreamID string, tools []string) map[string]any {
	return map[string]any{"upstream_id": upstreamID, "tools": tools}
}
