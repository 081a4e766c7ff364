// Package forms reads the console's forms into typed inputs. It is pure: it says
// what was typed, the domain says whether that will do.
//
// A field that is there twice and a body that is no form are not typing mistakes:
// they are errors, and no page is shown again for them. Bytes that are no text may be
// pasted: they are a message beside their field.
package forms
