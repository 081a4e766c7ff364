package kit

import "strings"

// FieldSpec is one labelled input.
type FieldSpec struct {
	// Name is the name attribute; the id is derived from it.
	Name string
	// ID overrides the derived id, for repeated names.
	ID string
	// Label is the visible label.
	Label string
	// Type is the input's type; empty is "text".
	Type string
	// Value is what stands in it.
	Value string
	// Hint is a sentence below the label; empty shows none.
	Hint string
	// Error is the message about this field; empty shows none.
	Error string
	// Placeholder is an example.
	Placeholder string
	// Autocomplete is the autocomplete attribute; empty is "off".
	Autocomplete string
	// InputMode is the inputmode attribute; empty leaves it out.
	InputMode string
	// Required marks the field as required.
	Required bool
	// Optional says so beside the label, where most fields are required.
	Optional bool
	// Mono asks for the mono font: addresses, slugs, names of headers.
	Mono bool
	// ReadOnly shows the value without letting it change.
	ReadOnly bool
	// Disabled leaves the field out of the form; say why in the hint.
	Disabled bool
	// MaxLength is the maxlength attribute; 0 leaves it out.
	MaxLength int
	// MinLength is the minlength attribute; 0 leaves it out.
	MinLength int
}

// Option is one of several answers.
type Option struct {
	// Value goes along with the form.
	Value string
	// Text is the label.
	Text string
	// Hint says more; only radio cards show it.
	Hint string
	// Disabled cannot be chosen; say why in the hint.
	Disabled bool
}

// CheckSpec is a box or a switch with a label.
type CheckSpec struct {
	// Name is the name attribute; the id is derived from it.
	Name string
	// ID overrides the derived id, for repeated names.
	ID string
	// Value goes along with the form when it is on; empty is "on".
	Value string
	// Label says what it means to be on.
	Label string
	// Hint says more; may be empty.
	Hint string
	// Error is the message about it; empty shows none.
	Error string
	// On says that it is on.
	On bool
	// Disabled leaves it out of the form; say why in the hint.
	Disabled bool
}

// FieldID is the id of the input with this name.
func FieldID(name string) string {
	return "f-" + strings.NewReplacer(".", "-", "_", "-").Replace(name)
}

func (f FieldSpec) id() string {
	if f.ID != "" {
		return f.ID
	}
	return FieldID(f.Name)
}

func (f FieldSpec) inputType() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

func (f FieldSpec) autocomplete() string {
	if f.Autocomplete == "" {
		return "off"
	}
	return f.Autocomplete
}

func (f FieldSpec) describedBy() string { return describedBy(f.id(), f.hint(), f.Error) }

// hint gives way to the error, which says the same with more weight.
func (f FieldSpec) hint() string {
	if f.Error != "" {
		return ""
	}
	return f.Hint
}

// inputClass gives addresses and identifiers the mono font.
func (f FieldSpec) inputClass() string {
	if f.Mono {
		return "input mono"
	}
	return "input"
}

// field is the part of a box that it shares with other fields.
func (c CheckSpec) field() FieldSpec {
	return FieldSpec{Name: c.Name, ID: c.ID, Hint: c.Hint, Error: c.Error}
}

func describedBy(id, hint, problem string) string {
	var errorID, hintID string
	if problem != "" {
		errorID = id + "-error"
	}
	if hint != "" {
		hintID = id + "-hint"
	}
	return join(errorID, hintID)
}
