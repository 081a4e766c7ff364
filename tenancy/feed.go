package tenancy

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite/vtab"
)

const (
	// feedModule is the name under which SQLite knows feeds.
	feedModule = "emcy_feed"
	// sqliteTime is how the driver writes times, as sqliteDSN asks of it.
	sqliteTime = "2006-01-02 15:04:05.999999999-07:00"
)

// feed is rows that SQLite reads from the process as from a table.
type feed struct {
	rows int
	row  func(i int, args []any) []any
}

// feeds are those that a statement may read now. SQLite hands a table function
// plain values only, so the statement names its feed by a number.
var (
	feeds    sync.Map // of int64 to *feed
	feedsNow atomic.Int64
)

func offerFeed(f *feed) (id int64, withdraw func()) {
	id = feedsNow.Add(1)
	feeds.Store(id, f)
	return id, func() { feeds.Delete(id) }
}

// registerFeeds tells the driver, for all connections that it opens from now on.
var registerFeeds = sync.OnceValue(func() error { return vtab.RegisterModule(nil, feedModule, feeder{}) })

// feeder makes the virtual tables: their columns are the module's arguments, and a
// hidden one that says which feed.
type feeder struct{}

func (f feeder) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	return f.Connect(ctx, args)
}

func (feeder) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	const before = 3 // the names of module, database and table
	columns := args[before:]
	return feedTable{len(columns)}, ctx.Declare("create table feed (" + strings.Join(columns, ", ") + ", feed hidden)")
}

type feedTable struct{ columns int }

func (t feedTable) BestIndex(info *vtab.IndexInfo) error {
	for i := range info.Constraints {
		c := &info.Constraints[i]
		if c.Column == t.columns && c.Op == vtab.OpEQ && c.Usable {
			c.ArgIndex, c.Omit = 0, true
			return nil
		}
	}
	return errors.New("which feed?")
}

func (t feedTable) Open() (vtab.Cursor, error) { return &feedCursor{columns: t.columns}, nil }
func (feedTable) Disconnect() error            { return nil }
func (feedTable) Destroy() error               { return nil }

type feedCursor struct {
	feed    *feed
	columns int
	at      int
	values  []any // of the row at which it stands
}

func (c *feedCursor) Filter(_ int, _ string, which []vtab.Value) error {
	f, ok := feeds.Load(which[0])
	if !ok {
		return fmt.Errorf("no feed %v", which[0])
	}
	c.feed, _ = f.(*feed) // nothing else is stored there
	c.at = -1
	return c.Next()
}

func (c *feedCursor) Next() error {
	c.at++
	if c.Eof() {
		return nil
	}
	c.values = c.feed.row(c.at, c.values[:0])
	if len(c.values) != c.columns {
		return fmt.Errorf("row %d has %d values for %d columns", c.at, len(c.values), c.columns)
	}
	for i, v := range c.values {
		if t, ok := v.(time.Time); ok {
			c.values[i] = t.UTC().Format(sqliteTime)
		}
	}
	return nil
}

func (c *feedCursor) Eof() bool                        { return c.at >= c.feed.rows }
func (c *feedCursor) Column(i int) (vtab.Value, error) { return c.values[i], nil }
func (c *feedCursor) Rowid() (int64, error)            { return int64(c.at), nil }
func (*feedCursor) Close() error                       { return nil }
