// Package idp lets a tenant's end users sign in at the tenant's own OpenID Connect
// providers.
//
// It owns three tables: identity_providers (what an administrator configured),
// provider_sign_ins (a sign-in under way: ten minutes, one browser, one use) and
// end_users (who came back, by provider and the provider's own subject). It speaks to
// providers through zitadel/oidc's rp over the outbound client.
//
// A sign-in is Begin, which gives the provider's address, and Finish, which turns the
// provider's answer into an end user. The HTTP layer and the session are package
// server's and package flow's. Nothing of an MCP client's request (resource, scope,
// prompt) is in what Begin sends.
//
// An end user is never a member: a provider that names a member's e-mail address
// gives an end user of its own, so that no provider can take over an account.
//
// It must not: issue tokens, set cookies, show what a provider wrote in an error, or
// call out while a transaction is open.
package idp
