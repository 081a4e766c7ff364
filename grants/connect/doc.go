// Package connect takes a person to a profile's provider and back, and keeps who came.
//
//	Begin    stores a way out and gives the provider's address
//	Finish   judges what came back and turns it into a grant, an end user or a trial
//	Link     makes the short address by which a person connects what a call lacked
//	SaveKey  checks an API key that a person typed in
//	Card     what a person is shown beforehand; Mine what they have
//	Known    is somebody who signed in at a profile's provider
//
// It owns three tables: connects (a way under way: ten minutes, one browser, one use),
// connect_links (a link: ten minutes, one person, one use) and profile_users (who
// signed in at a provider, by profile and the provider's own id).
//
// Finish judges in this order: the browser's own unused state, the person who set out,
// the issuer in the answer (RFC 9207), the provider's error; only then is the code sent
// anywhere, with no transaction open. Then whose account it is, by the profile's rule;
// then one transaction stores everything. The HTTP layer, the cookie of the way out and
// the session are package authz/server's.
//
// A link holds nothing of anybody and signs nobody in: its page wants a session of the
// person whose call it was made for.
//
// It must not: set cookies, show what a provider wrote in an error, call out while a
// transaction is open, or take a token back that may belong to another grant.
package connect
