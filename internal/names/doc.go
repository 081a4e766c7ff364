// Package names makes a name that a person typed safe to store and to show: what
// cannot be seen is not part of a name.
//
// It decides nothing about length or meaning; the package that owns the field does.
package names
