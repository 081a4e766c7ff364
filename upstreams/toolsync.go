package upstreams

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/upstreams/probe"
)

// What is remembered of the past of one runtime's tools.
const (
	maxRemoved      = 200
	maxRemovedBytes = 2 << 20
	maxChanges      = 500
	maxChangesBytes = 4 << 20
	// syncedEvery is how exactly it is remembered when a list that does not change was last seen.
	syncedEvery = 5 * time.Minute
)

// ToolSync is what a listing changed.
type ToolSync struct {
	// Listed is false when the tools could not be listed: the snapshot is then as it was.
	Listed                  bool
	Revision                int64
	Added, Changed, Removed int
}

// toolSync is one listing on its way into the snapshot.
type toolSync struct {
	tx       *tenancy.Tx
	upstream string
	revision int64 // that this sync makes, should anything be different
	now      time.Time
	tools    map[string]toolRow
	fresh    []toolRow
	changes  []changeRow
	texts    map[string]string
	baseline bool // the first list: what it holds is not a change
	result   ToolSync
}

// syncTools brings the snapshot to what was listed. seen is the revision that was there when the listing began: a list
// that came in meanwhile may be the newer one of the two, so this one is given up.
func syncTools(tx *tenancy.Tx, upstreamID string, seen int64, listing *probe.Listing) (ToolSync, error) {
	list, err := lockToolList(tx, upstreamID)
	if err != nil {
		return ToolSync{}, err
	}
	if list.Revision != seen {
		return ToolSync{}, errs.E(errs.Conflict, "Another probe of this runtime finished first. Probe it again.", nil)
	}
	if listing.Partial && seen > 0 {
		return ToolSync{Listed: true, Revision: seen}, nil // what is missing from it may be there, so the last whole list stands
	}
	rows, err := toolRows(tx, upstreamID)
	if err != nil {
		return ToolSync{}, err
	}
	s := &toolSync{
		tx: tx, upstream: upstreamID, revision: seen + 1, now: tx.Now(), tools: make(map[string]toolRow, len(rows)),
		texts: map[string]string{}, baseline: seen == 0, result: ToolSync{Listed: true, Revision: seen},
	}
	for _, row := range rows {
		s.tools[row.ID] = row
	}
	s.compare(listing)
	if !s.baseline && len(s.changes) == 0 {
		return s.result, s.touch(list)
	}
	s.result.Revision = s.revision
	return s.result, s.store()
}

// compare finds out what is different.
func (s *toolSync) compare(listing *probe.Listing) {
	listed := make(map[string]bool, len(listing.Definitions))
	for _, d := range listing.Definitions {
		id := ToolID(d.Name)
		listed[id] = true
		row, known := s.tools[id]
		switch {
		case !known:
			s.result.Added++
			row = toolRow{TenantID: s.tx.Tenant(), UpstreamID: s.upstream, ID: id, Name: d.Name, Hash: d.Hash, Hints: hints(d.Annotations), FirstSeenAt: s.now, ChangedAt: s.now}
			s.texts[d.Hash] = d.JSON
			s.fresh = append(s.fresh, row)
			if !s.baseline {
				s.change(Added, id, "", d.Hash)
			}
		case row.RemovedAt != nil:
			s.result.Added++
			s.texts[d.Hash] = d.JSON
			s.change(Added, id, row.Hash, d.Hash)
		case row.Hash != d.Hash:
			s.result.Changed++
			s.texts[d.Hash] = d.JSON
			s.change(Changed, id, row.Hash, d.Hash)
		default:
			continue
		}
		if row.Hash != d.Hash {
			row.ChangedAt = s.now
		}
		row.Hash, row.Hints, row.RemovedAt = d.Hash, hints(d.Annotations), nil
		s.tools[id] = row
	}
	for id, row := range s.tools {
		if row.RemovedAt == nil && !listed[id] {
			s.result.Removed++
			s.change(Removed, id, row.Hash, "")
			row.RemovedAt = &s.now
			s.tools[id] = row
		}
	}
}

func (s *toolSync) change(kind ChangeKind, tool, before, after string) {
	s.changes = append(s.changes, changeRow{
		TenantID: s.tx.Tenant(), ID: ids.NewAt("tch", s.now), UpstreamID: s.upstream, ToolID: tool, Kind: string(kind),
		Revision: s.revision, OldHash: before, NewHash: after, At: s.now,
	})
}

// touch remembers that the list was seen again as it was.
func (s *toolSync) touch(list toolListRow) error {
	if s.now.Sub(list.SyncedAt) < syncedEvery {
		return nil
	}
	return s.tx.DB().Model(&toolListRow{}).Where("upstream_id = ?", s.upstream).Update("synced_at", s.now).Error
}

func (s *toolSync) store() error {
	if err := s.storeList(); err != nil {
		return fmt.Errorf("store tool list: %w", err)
	}
	if err := s.storeTools(); err != nil {
		return fmt.Errorf("store tools: %w", err)
	}
	if err := s.prune(); err != nil {
		return fmt.Errorf("forget old tools: %w", err)
	}
	s.tx.Notify(tenancy.ConfigTopic(s.tx.Tenant()))
	return audit.Record(s.tx, audit.Entry{
		Action: "upstream.tools_changed", TargetKind: "upstream", TargetID: s.upstream,
		After: map[string]int64{
			"revision": s.revision, "added": int64(s.result.Added), "changed": int64(s.result.Changed), "removed": int64(s.result.Removed),
		},
	})
}

func (s *toolSync) storeList() error {
	if s.baseline {
		return s.tx.DB().Create(&toolListRow{TenantID: s.tx.Tenant(), UpstreamID: s.upstream, Revision: s.revision, CreatedAt: s.now, SyncedAt: s.now}).Error
	}
	return s.tx.DB().Model(&toolListRow{}).Where("upstream_id = ?", s.upstream).Updates(map[string]any{"revision": s.revision, "synced_at": s.now}).Error
}

func (s *toolSync) storeTools() error {
	if err := s.storeTexts(); err != nil {
		return err
	}
	if len(s.fresh) > 0 {
		if err := s.tx.DB().Create(&s.fresh).Error; err != nil {
			return err
		}
	}
	for _, c := range s.changes {
		if c.OldHash == "" {
			continue // it is one of the fresh
		}
		row := s.tools[c.ToolID]
		err := s.tx.DB().Model(&toolRow{}).Where("upstream_id = ? AND id = ?", s.upstream, row.ID).Updates(map[string]any{
			"hash": row.Hash, "hints": row.Hints, "changed_at": row.ChangedAt, "removed_at": row.RemovedAt,
		}).Error
		if err != nil {
			return err
		}
	}
	if len(s.changes) == 0 {
		return nil
	}
	return s.tx.DB().Create(&s.changes).Error
}

// storeTexts keeps the texts that are not there yet.
func (s *toolSync) storeTexts() error {
	known, err := s.sizes()
	if err != nil {
		return err
	}
	var rows []definitionRow
	for hash, text := range s.texts {
		if _, ok := known[hash]; !ok {
			rows = append(rows, definitionRow{TenantID: s.tx.Tenant(), UpstreamID: s.upstream, Hash: hash, Definition: text, Bytes: int64(len(text))})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.tx.DB().Create(&rows).Error
}

// sizes are the stored texts' bytes, by hash.
func (s *toolSync) sizes() (map[string]int64, error) {
	var rows []definitionRow
	if err := s.tx.DB().Select("hash", "bytes").Where("upstream_id = ?", s.upstream).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(rows))
	for _, r := range rows {
		out[r.Hash] = r.Bytes
	}
	return out, nil
}

// prune forgets what is beyond the bounds, the oldest first, and then the texts that nothing names any more.
func (s *toolSync) prune() error {
	sizes, err := s.sizes()
	if err != nil {
		return err
	}
	needed := map[string]bool{} // hashes
	gone, err := s.pruneTools(sizes, needed)
	if err != nil {
		return err
	}
	if err := s.pruneChanges(sizes, needed, gone); err != nil {
		return err
	}
	var unnamed []string
	for hash := range sizes {
		if !needed[hash] {
			unnamed = append(unnamed, hash)
		}
	}
	if len(unnamed) == 0 {
		return nil
	}
	return s.tx.DB().Where("upstream_id = ? AND hash IN ?", s.upstream, unnamed).Delete(&definitionRow{}).Error
}

// pruneTools forgets tools that were removed long ago, their changes with them.
func (s *toolSync) pruneTools(sizes map[string]int64, needed map[string]bool) (gone map[string]bool, err error) {
	removed := make([]toolRow, 0, len(s.tools))
	for _, row := range s.tools {
		if row.RemovedAt == nil {
			needed[row.Hash] = true
		} else {
			removed = append(removed, row)
		}
	}
	newestFirst(removed)
	gone = map[string]bool{}
	var old []string
	var bytes int64
	for i, row := range removed {
		if !needed[row.Hash] {
			bytes += sizes[row.Hash]
		}
		if i >= maxRemoved || bytes > maxRemovedBytes {
			old = append(old, row.ID)
			gone[row.ID] = true
			continue
		}
		needed[row.Hash] = true
	}
	if len(old) == 0 {
		return gone, nil
	}
	return gone, s.tx.DB().Where("upstream_id = ? AND id IN ?", s.upstream, old).Delete(&toolRow{}).Error
}

func (s *toolSync) pruneChanges(sizes map[string]int64, needed, gone map[string]bool) error {
	rows, err := changeRows(s.tx, func(db *gorm.DB) *gorm.DB {
		return db.Where("upstream_id = ?", s.upstream)
	})
	if err != nil {
		return err
	}
	var old []string
	var bytes int64
	for i, row := range rows {
		for _, hash := range []string{row.OldHash, row.NewHash} {
			if !needed[hash] {
				bytes += sizes[hash]
			}
		}
		if i >= maxChanges || bytes > maxChangesBytes || gone[row.ToolID] {
			old = append(old, row.ID)
			continue
		}
		needed[row.OldHash], needed[row.NewHash] = true, true
	}
	if len(old) == 0 {
		return nil
	}
	return s.tx.DB().Where("upstream_id = ? AND id IN ?", s.upstream, old).Delete(&changeRow{}).Error
}

// hints packs what a runtime says of a tool.
func hints(a *probe.Annotations) snapshot.Hints {
	if a == nil {
		return 0
	}
	var out snapshot.Hints
	for _, hint := range []struct {
		value      *bool
		says, said snapshot.Hints
	}{
		{a.ReadOnly, snapshot.SaysReadOnly, snapshot.ReadOnlySaid},
		{a.Destructive, snapshot.SaysDestructive, snapshot.DestructiveSaid},
		{a.Idempotent, snapshot.SaysIdempotent, snapshot.IdempotentSaid},
		{a.OpenWorld, snapshot.SaysOpenWorld, snapshot.OpenWorldSaid},
	} {
		if hint.value != nil {
			out |= hint.said
			if *hint.value {
				out |= hint.says
			}
		}
	}
	return out
}
