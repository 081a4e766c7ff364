package web

import "github.com/emcy/gateway/authz/server/trace"

// remedy says in words what went wrong, and what to do about it.
type remedy struct{ short, why, cure string }

// failures are by step and code; a code alone ("" step) stands for every step.
var failures = map[trace.Step]map[string]remedy{
	trace.Challenge: {
		"invalid_token":  {"token not ours", "The client sent a token that this gateway did not issue, or that is damaged.", "In the client, clear the authentication of this server and connect again. If a proxy adds an Authorization header of its own, take that out."},
		"wrong_audience": {"token for another runtime", "The client sent a token that was issued for another runtime.", "Each runtime has a URL and a sign-in of its own: add this one's URL to the client and sign in there."},
		"revoked_token":  {"access was ended", "The client sent a token whose access was ended.", "Sign in again from the client."},
	},
	trace.ResourceMetadata: {"": {"metadata not read", "The client could not read the runtime's metadata.", "Check that nothing between the client and the gateway rewrites the path /.well-known/."}},
	trace.ServerMetadata:   {"": {"metadata not read", "The client could not read the authorization server's metadata.", "Check that nothing between the client and the gateway rewrites the path /.well-known/."}},
	trace.Register: {
		"invalid_redirect_uri":    {"redirect not accepted", "The client wanted to register a return address that is not accepted.", "Use https, http on localhost, or an app scheme that is listed. The step below shows what was asked."},
		"invalid_client_metadata": {"registration not accepted", "The client sent a registration that cannot be accepted.", "The step below shows what it asked for. Update the client, or register it by hand and give it the client id."},
		"access_denied":           {"registration is off", "This workspace does not let clients register themselves.", "Turn registration on in the authorization settings, or register the client by hand and give it the client id."},
		"temporarily_unavailable": {"too many registrations", "Too many registrations came from this network.", "Wait an hour. If many people share this network, register the client once by hand."},
		"not_found":               {"registration is off", "This workspace does not let clients register themselves.", "Turn registration on in the authorization settings, or register the client by hand and give it the client id."},
	},
	trace.ClientDocument: {
		"invalid_client": {"client document refused", "The client names itself by a metadata document that could not be read, or that this workspace does not accept.", "Open the document's address: it must answer 200 with JSON whose client_id is that very address. Then look at which documents the authorization settings accept."},
	},
	trace.Authorize: {
		"invalid_client":            {"client not known", "The client uses a registration that this workspace does not know, or that has expired.", "Make the client forget its registration and connect again: in Claude Code run /mcp and choose “Clear authentication”; for mcp-remote delete ~/.mcp-auth; elsewhere remove the server and add it again."},
		"invalid_redirect_uri":      {"return address differs", "The client asked to return to an address that it has not registered.", "Remove the server in the client and add it again, so that it registers anew. For a client that was registered by hand, add this address to it."},
		"invalid_target":            {"not this runtime", "The client asked for a token for another address than a runtime of this workspace has.", "Put the MCP URL into the client exactly as the connect page shows it, without a slash at its end."},
		"invalid_request":           {"request not accepted", "The client sent an authorization request that is incomplete: most likely without PKCE.", "Update the client. It has to send code_challenge with the method S256."},
		"unsupported_response_type": {"request not accepted", "The client asked for another flow than the authorization code.", "Update the client, or set it to the authorization code flow."},
		"invalid_scope":             {"no scope left", "Nothing is left of the scopes that the client asked for.", "Take the scopes out of the client's settings, or allow them in this workspace."},
		"login_required":            {"sign-in forbidden", "The client asked for a token without letting anybody sign in (prompt=none).", "Connect once with a person at the screen."},
		"slow_down":                 {"too many tries", "Too many sign-ins were started from this network.", "Wait some minutes, then try again."},
	},
	trace.SignIn: {
		"not_accepted":  {"sign-in refused", "The sign-in was refused: a wrong address or password, or somebody who is no member of this workspace.", "Try again with the right account. If it is the right one, add the person to the workspace."},
		"access_denied": {"sign-in refused", "The identity provider, or this workspace, did not let the person in.", "Check that the person may use the application at the identity provider, and that their domain and groups are allowed here."},
		"forbidden":     {"another page's form", "The form came from another page, or the browser keeps no cookies.", "Allow cookies for this address, and start again from the client."},
		"slow_down":     {"too many tries", "There were too many wrong passwords.", "Wait some minutes, then try again."},
		"expired":       {"too late", "The sign-in was over, or was opened in another browser.", "Start again from the client, and finish within ten minutes in the same browser."},
	},
	trace.Consent: {
		"access_denied": {"person declined", "The person said no, or may not use this workspace.", "If that was a mistake, connect again from the client and choose Allow."},
		"forbidden":     {"another page's form", "The form came from another page, or the browser keeps no cookies.", "Allow cookies for this address, and start again from the client."},
		"expired":       {"too late", "The consent was over, or was opened in another browser.", "Start again from the client, and finish within ten minutes in the same browser."},
	},
	trace.Token: {
		"invalid_grant":          {"code or token refused", "The client came with a code or refresh token that does not work: it was used before, is too old, or its PKCE verifier or redirect_uri differs from the first request.", "Connect again from the client. If it happens again, two copies of the client may be sharing one code; close one."},
		"invalid_client":         {"client not proven", "The client could not prove who it is: its secret or key is wrong, or its registration is gone.", "For a client with a secret, give it the current one. Otherwise make it forget its registration and connect again."},
		"invalid_target":         {"not this runtime", "The client asked for a token for another runtime than the one that was allowed.", "Put the MCP URL into the client exactly as the connect page shows it, and connect again."},
		"invalid_request":        {"request not accepted", "The token request was incomplete, or not a form.", "Update the client. The step below shows what it sent."},
		"unsupported_grant_type": {"grant type is off", "The client asked for a grant type that this workspace has not turned on.", "Turn it on in the authorization settings, or set the client to the authorization code flow."},
		"unauthorized_client":    {"grant type not allowed", "This client may not use the grant type that it asked for.", "Allow it in the client's own settings."},
		"invalid_dpop_proof":     {"DPoP proof refused", "The client's DPoP proof does not fit the request, or was used before.", "Check the clock of the client's machine. If a proxy changes the address of the token endpoint, the proof names the wrong one."},
		"access_denied":          {"person declined", "The person said no on the device page.", "Start again from the device."},
		"expired_token":          {"too late", "The device's code expired before somebody typed it in.", "Start again from the device."},
	},
	trace.FirstRequest: {
		"insufficient_scope": {"scope missing", "The client's token lacks a scope that the runtime needs.", "Connect again and allow what is asked. Some clients cannot ask for more later: put the scope among the initial ones."},
	},
	trace.FirstCall: {
		"insufficient_scope": {"scope missing", "The client's token lacks a scope that this tool needs.", "Connect again and allow what is asked. Some clients cannot ask for more later: put the scope among the initial ones."},
	},
}

// any are codes that mean the same at every step.
var anyFailure = map[string]remedy{
	"server_error":            {"fault of the gateway", "Something went wrong in the gateway.", "Try again. If it happens again, whoever runs the gateway finds the cause in its log."},
	"temporarily_unavailable": {"gateway was busy", "The gateway was too busy to answer.", "Try again in a moment."},
	"not_found":               {"nothing there", "The client asked for an address that is not there.", "Put the MCP URL into the client exactly as the connect page shows it."},
}

// failure says why a step failed, and what to do.
func failure(step trace.Step, code string) (why, cure string) {
	r := remedyFor(step, code)
	return r.why, r.cure
}

func remedyFor(step trace.Step, code string) remedy {
	if r, ok := failures[step][code]; ok {
		return r
	}
	if r, ok := anyFailure[code]; ok {
		return r
	}
	if text := reasons[code]; text != "" { // the edge's: its own sentence says what to do
		return remedy{reasonShort(code, "failed"), text, ""}
	}
	if r, ok := failures[step][""]; ok {
		return r
	}
	return remedy{reasonShort(code, "failed"), traceTitles[step] + ": refused" + yes(code != "", " ("+code+")", "") + ".", "The step below shows what was asked and answered."}
}

// stalls say what a try waits for that went no further.
var stalls = map[trace.Step]remedy{
	trace.Challenge:        {"went no further", "The client was told where to sign in, and did not go there.", "Many clients wait for a person: open the client's list of servers and choose to sign in. Clients that are signed in already also ask once without a token; then nothing is wrong."},
	trace.ResourceMetadata: {"went no further", "The client read the runtime's metadata and stopped before the authorization server's.", "Update the client: it may not know MCP's authorization. If it said that the resource does not match, put the MCP URL in exactly as the connect page shows it."},
	trace.ServerMetadata:   {"did not register", "The client read our metadata and then neither registered nor opened the sign-in.", "It may wait for a person to choose “sign in”. If it wants a client id, register it by hand and type the id into the client."},
	trace.Register:         {"no browser came", "The client registered, and no browser opened the sign-in.", "Look for a browser window or a link that the client printed. On a machine without a browser, copy the link to one that has one."},
	trace.ClientDocument:   {"no browser came", "No browser opened the sign-in.", "Look for a browser window or a link that the client printed."},
	trace.Authorize:        {"nobody signed in", "The sign-in page was opened, and nobody signed in.", "Start again from the client, and finish within ten minutes."},
	trace.SignIn:           {"no answer given", "The person signed in and did not answer whether to allow it.", "Start again from the client, and choose Allow."},
	trace.Consent:          {"code not redeemed", "The person allowed it, and the client never came for its token.", "The browser did not get back to the client: a firewall or another program may hold the port of its return address, or the client was closed. Try again; for a remote machine forward that port, or paste the address back into the client."},
	trace.Code:             {"code not redeemed", "The person allowed it, and the client never came for its token.", "The browser did not get back to the client: a firewall or another program may hold the port of its return address, or the client was closed. Try again; for a remote machine forward that port, or paste the address back into the client."},
}

// silent is a token without a call.
var silent = remedy{
	"token issued, no call since", "The client got its token and has not called the runtime since.",
	"Restart the client, or reload its tools: some take up a new server only then. If it stays so, look whether the client shows an error of its own; it may refuse the answer's iss, or compare the MCP URL byte by byte.",
}

// traceWhy says why a try stands where it stands; nothing where all is well.
func traceWhy(t trace.Trace) (why, cure string) {
	r := remedyOf(t)
	return r.why, r.cure
}

func traceShort(t trace.Trace) string { return remedyOf(t).short }

func remedyOf(t trace.Trace) remedy {
	switch {
	case t.FailedStep != "":
		return remedyFor(t.FailedStep, t.FailedCode)
	case t.State == trace.Silent:
		return silent
	case t.State == trace.Stalled:
		return stalls[t.Reached]
	}
	return remedy{}
}
