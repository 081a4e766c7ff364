package upstreams

import (
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/tenancy"
)

// toolListRow is there once a runtime's tools were listed.
type toolListRow struct {
	TenantID   string
	UpstreamID string
	Revision   int64
	CreatedAt  time.Time
	SyncedAt   time.Time
}

func (toolListRow) TableName() string { return "upstream_tool_lists" }

type toolRow struct {
	TenantID    string
	UpstreamID  string
	ID          string
	Name        string
	Hash        string
	Hints       snapshot.Hints
	FirstSeenAt time.Time
	ChangedAt   time.Time
	RemovedAt   *time.Time
}

func (toolRow) TableName() string { return "upstream_tools" }

// definitionRow is the text of a hash, for as long as a tool or a change names it.
type definitionRow struct {
	TenantID   string
	UpstreamID string
	Hash       string
	Definition string
	Bytes      int64
}

func (definitionRow) TableName() string { return "upstream_tool_definitions" }

type changeRow struct {
	TenantID   string
	ID         string
	UpstreamID string
	ToolID     string
	Kind       string
	Revision   int64
	OldHash    string
	NewHash    string
	At         time.Time
}

func (changeRow) TableName() string { return "upstream_tool_changes" }

// toolList reads a runtime's list, or one of revision 0.
func toolList(tx *tenancy.Tx, upstreamID string) (toolListRow, error) {
	var rows []toolListRow
	if err := tx.DB().Where("upstream_id = ?", upstreamID).Find(&rows).Error; err != nil {
		return toolListRow{}, fmt.Errorf("read tool list: %w", err)
	}
	if len(rows) == 0 {
		return toolListRow{}, nil
	}
	return rows[0], nil
}

// lockToolList is toolList for a change: no other sync of the runtime is under way until the transaction ends.
func lockToolList(tx *tenancy.Tx, upstreamID string) (toolListRow, error) {
	var rows []toolListRow
	if err := tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("upstream_id = ?", upstreamID).Find(&rows).Error; err != nil {
		return toolListRow{}, fmt.Errorf("lock tool list: %w", err)
	}
	if len(rows) == 0 {
		return toolListRow{}, nil
	}
	return rows[0], nil
}

// toolRows are all tools that are remembered, the removed ones among them.
func toolRows(tx *tenancy.Tx, upstreamID string) ([]toolRow, error) {
	var rows []toolRow
	if err := tx.DB().Where("upstream_id = ?", upstreamID).Order("name, id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read tools: %w", err)
	}
	return rows, nil
}

// changeRows are the changes that where names, the newest first.
func changeRows(tx *tenancy.Tx, where func(*gorm.DB) *gorm.DB) ([]changeRow, error) {
	var rows []changeRow
	if err := where(tx.DB()).Order("revision DESC, id DESC").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read tool changes: %w", err)
	}
	return rows, nil
}

// definitions are the texts of the hashes.
func definitions(tx *tenancy.Tx, upstreamID string, hashes []string) (map[string]string, error) {
	var rows []definitionRow
	if err := tx.DB().Where("upstream_id = ? AND hash IN ?", upstreamID, hashes).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read tool definitions: %w", err)
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.Hash] = r.Definition
	}
	return out, nil
}
