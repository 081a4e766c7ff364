package forms

import "strings"

// Contract is the form of a runtime's worker contract.
type Contract struct {
	// Headers are the typed names, by default name; empty ones are left out.
	Headers map[string]string
	// Bearer and AssertionOnly are the answers to the two questions below the names.
	Bearer, AssertionOnly bool
	// Version is the version that the form was opened with, -1 where it is no number.
	Version int64
}

// ReadContract reads the form; names are the headers' default names.
func ReadContract(v Values, names []string) Contract {
	c := Contract{Headers: map[string]string{}, Bearer: v.one("bearer") == "bearer", AssertionOnly: v.one("assertion_only") == "assertion", Version: v.number("version")}
	for _, name := range names {
		if own := strings.TrimSpace(v.line("header." + name)); own != "" {
			c.Headers[name] = own
		}
	}
	return c
}
