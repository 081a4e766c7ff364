package upstreams

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/tenancy"
)

// ChangeKind says what happened to a tool.
type ChangeKind string

// The kinds of change.
const (
	// Added is a tool that is new, or back: then it has an old definition too.
	Added   ChangeKind = "added"
	Changed ChangeKind = "changed"
	Removed ChangeKind = "removed"
)

// Tool is a tool of the snapshot.
type Tool struct {
	ID, Name string
	// Definition is the tool as the runtime sent it, Hash its SHA-256.
	Definition, Hash string
	Hints            snapshot.Hints
	FirstSeenAt      time.Time
	// ChangedAt is when the definition became what it is.
	ChangedAt time.Time
	// RemovedAt is when the runtime no longer listed it, nil while it does.
	RemovedAt *time.Time
	// Last is the newest change that is remembered, nil when there is none.
	Last *ToolChange
}

// ToolChange is one change of one tool.
type ToolChange struct {
	ID               string
	Kind             ChangeKind
	Revision         int64
	At               time.Time
	OldHash, NewHash string
}

// ToolList is a runtime's tool snapshot.
type ToolList struct {
	// Upstream is the runtime; its Report says why the last listing failed, if it did.
	Upstream Upstream
	// Revision counts the lists that differed from the one before; 0 before the first.
	Revision int64
	SyncedAt time.Time
	// Tools are listed, Removed were; both by name.
	Tools, Removed []Tool
}

// ToolDetail is one tool with its past.
type ToolDetail struct {
	Upstream Upstream
	Tool     Tool
	// Changes are remembered, the newest first.
	Changes []ToolChange
	// Definitions are the texts of all hashes that the tool and its changes name.
	Definitions map[string]string
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ToolID is a tool's address, made of its name: names hold any characters, and a tool that comes back is the same one.
func ToolID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "tol_" + lowerBase32.EncodeToString(sum[:20])
}

// Tools reads a runtime's tool snapshot.
func (r *Registry) Tools(ctx context.Context, h tenancy.Handle, slug string) (ToolList, error) {
	var out ToolList
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := bySlug(tx, slug)
		if err != nil {
			return err
		}
		if out.Upstream, err = row.upstream(tx); err != nil {
			return err
		}
		list, err := toolList(tx, row.ID)
		if err != nil || list.Revision == 0 {
			return err
		}
		out.Revision, out.SyncedAt = list.Revision, list.SyncedAt
		return out.load(tx, row.ID)
	})
	if err != nil {
		return ToolList{}, fmt.Errorf("list tools: %w", err)
	}
	return out, nil
}

func (l *ToolList) load(tx *tenancy.Tx, upstreamID string) error {
	rows, err := toolRows(tx, upstreamID)
	if err != nil {
		return err
	}
	changes, err := changeRows(tx, func(db *gorm.DB) *gorm.DB { return db.Where("upstream_id = ?", upstreamID) })
	if err != nil {
		return err
	}
	last := map[string]*ToolChange{}
	for _, c := range changes {
		if last[c.ToolID] == nil {
			last[c.ToolID] = c.change()
		}
	}
	hashes := make([]string, len(rows))
	for i, row := range rows {
		hashes[i] = row.Hash
	}
	texts, err := definitions(tx, upstreamID, hashes)
	if err != nil {
		return err
	}
	for _, row := range rows {
		tool := row.tool(texts)
		tool.Last = last[row.ID]
		if row.RemovedAt == nil {
			l.Tools = append(l.Tools, tool)
		} else {
			l.Removed = append(l.Removed, tool)
		}
	}
	return nil
}

// Tool reads one tool with its past. Errors: NotFound for a runtime or a tool that is not there.
func (r *Registry) Tool(ctx context.Context, h tenancy.Handle, slug, toolID string) (ToolDetail, error) {
	var out ToolDetail
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := bySlug(tx, slug)
		if err != nil {
			return err
		}
		if out.Upstream, err = row.upstream(tx); err != nil {
			return err
		}
		var tool toolRow
		if err := tx.DB().Where("upstream_id = ? AND id = ?", row.ID, toolID).First(&tool).Error; err != nil {
			return err
		}
		changes, err := changeRows(tx, func(db *gorm.DB) *gorm.DB {
			return db.Where("upstream_id = ? AND tool_id = ?", row.ID, toolID)
		})
		if err != nil {
			return err
		}
		hashes := []string{tool.Hash}
		for _, c := range changes {
			out.Changes = append(out.Changes, *c.change())
			hashes = append(hashes, c.OldHash, c.NewHash)
		}
		if out.Definitions, err = definitions(tx, row.ID, hashes); err != nil {
			return err
		}
		out.Tool = tool.tool(out.Definitions)
		if len(out.Changes) > 0 {
			out.Tool.Last = &out.Changes[0]
		}
		return nil
	})
	if err != nil {
		return ToolDetail{}, fmt.Errorf("read tool: %w", err)
	}
	return out, nil
}

func (r toolRow) tool(texts map[string]string) Tool {
	return Tool{
		ID: r.ID, Name: r.Name, Definition: texts[r.Hash], Hash: r.Hash, Hints: r.Hints,
		FirstSeenAt: r.FirstSeenAt, ChangedAt: r.ChangedAt, RemovedAt: r.RemovedAt,
	}
}

func (r changeRow) change() *ToolChange {
	return &ToolChange{ID: r.ID, Kind: ChangeKind(r.Kind), Revision: r.Revision, At: r.At, OldHash: r.OldHash, NewHash: r.NewHash}
}

func newestFirst(removed []toolRow) {
	slices.SortFunc(removed, func(a, b toolRow) int {
		if c := b.RemovedAt.Compare(*a.RemovedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// LoadTools reads, for the edge's snapshot, the tools of every upstream of the transaction's tenant. What is known in the
// stored revision is given back as it is, so that a change of one runtime costs one runtime's tools.
func LoadTools(tx *tenancy.Tx, known map[string]*snapshot.Tools) (map[string]*snapshot.Tools, error) {
	return loadTools(tx, tx.DB(), known)
}

// ToolsOf reads the tools of one upstream; nil where they were never listed.
func ToolsOf(tx *tenancy.Tx, upstreamID string) (*snapshot.Tools, error) {
	lists, err := loadTools(tx, tx.DB().Where("upstream_id = ?", upstreamID), nil)
	return lists[upstreamID], err
}

// loadTools reads those of the upstreams that a query is about.
func loadTools(tx *tenancy.Tx, of *gorm.DB, known map[string]*snapshot.Tools) (map[string]*snapshot.Tools, error) {
	var lists []toolListRow
	if err := of.Find(&lists).Error; err != nil {
		return nil, fmt.Errorf("load tool lists: %w", err)
	}
	out := make(map[string]*snapshot.Tools, len(lists))
	var missing []string
	for _, list := range lists {
		if have := known[list.UpstreamID]; have != nil && have.Revision == list.Revision {
			out[list.UpstreamID] = have
			continue
		}
		out[list.UpstreamID] = &snapshot.Tools{Revision: list.Revision, ByName: map[string]snapshot.Tool{}}
		missing = append(missing, list.UpstreamID)
	}
	if len(missing) == 0 {
		return out, nil
	}
	var rows []toolRow
	if err := tx.DB().Select("upstream_id", "name", "hash", "hints").Where("upstream_id IN ? AND removed_at IS NULL", missing).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load tools: %w", err)
	}
	for _, row := range rows {
		hash, err := hex.DecodeString(row.Hash)
		if err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("hash of a tool of %s: %q", row.UpstreamID, row.Hash)
		}
		out[row.UpstreamID].ByName[row.Name] = snapshot.Tool{Hash: [sha256.Size]byte(hash), Hints: row.Hints}
	}
	return out, nil
}
