// Package icons holds the icons of the interface as templ components, one per icon, drawn from a checked-in list.
// Icons are decoration: they are hidden from assistive technology, and the text next to them says what they mean.
package icons
