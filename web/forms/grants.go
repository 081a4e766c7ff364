package forms

import "strings"

// Picked are the grants that were picked in a list.
type Picked struct {
	IDs []string
	// Back is a local path, or empty.
	Back string
}

// ReadPicked reads the form around a list of grants.
func ReadPicked(v Values) Picked {
	return Picked{IDs: v.fields["grant"], Back: Next(v.one("back"), "")}
}

// MassRevoke asks for a set of grants to be revoked.
type MassRevoke struct {
	// Profile is a profile's id; empty means the whole workspace.
	Profile         string
	Reason, Confirm string
}

// ReadMassRevoke reads the form.
func ReadMassRevoke(v Values) MassRevoke {
	return MassRevoke{Profile: v.one("profile"), Reason: strings.TrimSpace(v.line("reason")), Confirm: strings.TrimSpace(v.line("confirm"))}
}
