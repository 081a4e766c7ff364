// Package forms reads the console's forms into typed inputs. It is pure: it says
// what was typed, the domain says whether that will do.
//
// A field that is there twice, bytes that are no text and a body that is no form
// are not typing mistakes: they are errors, and no page is shown again for them.
package forms
