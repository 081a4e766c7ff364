package secret

import "log/slog"

const masked = "[sealed]"

// Text is a secret string. Reveal is the only way to its value, so a search for
// Reveal lists every place that handles one in the clear.
type Text struct{ value string }

// New wraps a value.
func New(value string) Text { return Text{value: value} }

// Reveal gives the value.
func (t Text) Reveal() string { return t.value }

// Empty reports whether there is no value.
func (t Text) Empty() bool { return t.value == "" }

func (Text) String() string               { return masked }
func (Text) GoString() string             { return masked }
func (Text) LogValue() slog.Value         { return slog.StringValue(masked) }
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }
func (Text) MarshalText() ([]byte, error) { return []byte(masked), nil }
