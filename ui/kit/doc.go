// Package kit holds the small components that all pages share: badges, fields, snippets, callouts.
// It must not know a page, a route or a domain word.
package kit
