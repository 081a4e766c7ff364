// Package provider holds authorization servers for tests, real HTTP on loopback, that
// behave as well-known ones do, quirks included: google, github, github-app, entra,
// auth0, okta, keycloak, and one that keeps to the standards, generic.
//
// A test starts one with New and gives its addresses to the gateway, which may be another
// process. Approve plays the browser. The ledger tells what was asked for and whether a
// refresh token was ever used twice; Fail makes an endpoint misbehave.
//
// It knows nothing of the gateway; it must never import a package of this project.
package provider
