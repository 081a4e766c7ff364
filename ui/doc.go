// Package ui holds everything that people see: the templ layouts, components and pages with their view models, and
// the static assets, hashed and embedded.
//
//   - kit: small components that know no page
//   - icons: the icons, inlined
//   - pages: the console's pages and fragments
//   - enduser: the pages on a tenant's own origin; no script at all
//   - assets: style sheet, script and fonts, and the handler that serves them
//
// View models carry strings that are ready to show. Nothing below this folder imports another package of the
// project, reads the context, formats a domain value or knows a route's handler.
package ui

//go:generate go tool -modfile=../tools/go.mod templ generate -path . -log-level error
//go:generate go run ./assets/build
