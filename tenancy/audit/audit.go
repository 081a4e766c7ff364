package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Entry is what happened. Before and After are small JSON-able values without
// secrets; nil where there is nothing to show.
type Entry struct {
	Action     string // "upstream.create"
	TargetKind string // "upstream"
	TargetID   string
	Before     any
	After      any
}

type row struct {
	TenantID   string
	ID         string
	At         time.Time
	ActorKind  string
	ActorID    string
	Action     string
	TargetKind string
	TargetID   string
	Before     string
	After      string
}

func (row) TableName() string { return "audit_events" }

// Record writes the entry, with the transaction's actor.
func Record(tx *tenancy.Tx, e Entry) error {
	before, err := encode(e.Before)
	if err != nil {
		return err
	}
	after, err := encode(e.After)
	if err != nil {
		return err
	}
	now := tx.Now()
	actor := tx.Handle().Actor()
	err = tx.DB().Create(&row{
		TenantID: tx.Tenant(), ID: ids.NewAt("aud", now), At: now, ActorKind: actor.Kind, ActorID: actor.ID,
		Action: e.Action, TargetKind: e.TargetKind, TargetID: e.TargetID, Before: before, After: after,
	}).Error
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

// Recorded is one entry as it was stored.
type Recorded struct {
	At        time.Time
	ActorKind string
	ActorID   string
	Action    string
	TargetID  string
	Before    string
	After     string
}

// Latest lists the newest entries of the transaction's tenant.
func Latest(tx *tenancy.Tx, limit int) ([]Recorded, error) {
	var rows []row
	if err := tx.DB().Order("at DESC, id DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	out := make([]Recorded, len(rows))
	for i, r := range rows {
		out[i] = Recorded{At: r.At, ActorKind: r.ActorKind, ActorID: r.ActorID, Action: r.Action, TargetID: r.TargetID, Before: r.Before, After: r.After}
	}
	return out, nil
}

func encode(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode audit value: %w", err)
	}
	return string(b), nil
}
