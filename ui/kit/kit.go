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
	// Mono asks for the mono font: addresses, slugs, names of headers.
	Mono bool
	// ReadOnly shows the value without letting it change.
	ReadOnly bool
	// MaxLength is the maxlength attribute; 0 leaves it out.
	MaxLength int
	// MinLength is the minlength attribute; 0 leaves it out.
	MinLength int
}

// FieldMessage is a line of the error summary, linked to its field.
type FieldMessage struct {
	// FieldID is the id of the input.
	FieldID string
	// Text is the message.
	Text string
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

func (f FieldSpec) describedBy() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.id()+"-error")
	}
	if f.Hint != "" {
		ids = append(ids, f.id()+"-hint")
	}
	return strings.Join(ids, " ")
}

// inputClass gives addresses and identifiers the mono font.
func (f FieldSpec) inputClass() string {
	if f.Mono {
		return "input mono"
	}
	return "input"
}
