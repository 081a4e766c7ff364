// Package pages holds the console's pages and fragments as templ components, and their view models.
// A component takes one view model and nothing else. It must not format domain values, read the context or decide
// what a person may do: the handler has done that.
package pages
