package snapshot

// Tools are what a runtime lists. They do not change: another revision is another value, and the same revision the same
// one, also after everything else of the tenant was loaded anew.
type Tools struct {
	Revision int64
	ByName   map[string]Tool
}

// Tool is a tool as its runtime defines it.
type Tool struct {
	// Hash is the SHA-256 of the definition. It is kept whole: who writes a runtime writes both of two definitions that are to
	// be taken for one another, and a part of a hash would let them find such a pair.
	Hash  [32]byte
	Hints Hints
}

// Get finds a tool. Nothing is known of a runtime whose tools were never listed.
func (t *Tools) Get(name string) (Tool, bool) {
	if t == nil {
		return Tool{}, false
	}
	tool, ok := t.ByName[name]
	return tool, ok
}

// Hints are a runtime's own words about a tool: what it says, and whether it says anything. They are claims.
type Hints uint8

// The hints. Each has a bit for what is said, and one for that it is.
const (
	SaysReadOnly Hints = 1 << iota
	SaysDestructive
	SaysIdempotent
	SaysOpenWorld
	ReadOnlySaid
	DestructiveSaid
	IdempotentSaid
	OpenWorldSaid
)

// ReadOnly reports whether the tool is said to change nothing.
func (h Hints) ReadOnly() bool { return h&SaysReadOnly != 0 }

// Destructive reports whether the tool may destroy something: it is said to, or it is not said that it does not, as the
// specification has it.
func (h Hints) Destructive() bool {
	return !h.ReadOnly() && (h&DestructiveSaid == 0 || h&SaysDestructive != 0)
}
