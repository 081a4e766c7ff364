package provider

import "net/http"

// meaning is what an error code says in words, and who can do what about it.
type meaning struct {
	kind  Kind
	words string
	cure  string
}

const (
	cureReconnect = "Connect again."
	cureClient    = "Compare the client id, the secret and the authentication method in the profile with what is registered at the provider."
	cureLater     = "It is tried again by itself."
	cureSettings  = "Compare the profile's settings with the provider's documentation."
)

// meanings are by code: the registered ones (RFC 6749, sections 4.1.2.1 and 5.2; RFC
// 8707, section 2; OpenID Connect Core, section 3.1.2.6; RFC 7591, section 3.2.2; RFC
// 7009, section 2.2.1), then those that GitHub and Google document.
var meanings = map[string]meaning{
	"invalid_grant":              {Rejected, "The provider no longer accepts what the connection was made with: it is expired, was taken back, or was used before.", cureReconnect},
	"interaction_required":       {Rejected, "The provider wants to see the user again before it goes on.", cureReconnect},
	"login_required":             {Rejected, "The provider wants the user to sign in again.", cureReconnect},
	"consent_required":           {Rejected, "The provider wants the user, or an administrator there, to agree again.", cureReconnect},
	"account_selection_required": {Rejected, "The provider wants the user to choose an account.", cureReconnect},
	"invalid_client":             {Misconfigured, "The provider does not accept the client id or how the gateway proves itself: a secret may be wrong or expired.", cureClient},
	"unauthorized_client":        {Misconfigured, "The provider does not let this client use this grant type.", "Allow the authorization code and refresh token grant types for the client at the provider."},
	"unsupported_grant_type":     {Misconfigured, "The provider does not support this grant type.", cureSettings},
	"unsupported_response_type":  {Misconfigured, "The provider does not let this client ask for a code.", "Allow the authorization code grant type for the client at the provider."},
	"invalid_scope":              {Misconfigured, "The provider does not know one of the scopes, or does not let this client ask for it.", "Correct the scopes of the profile, or allow them for the client at the provider."},
	"invalid_target":             {Misconfigured, "The provider does not accept the resource or audience.", "Correct the resource or audience of the profile, or turn on “omit resource” where the provider does not know it."},
	"invalid_request":            {Misconfigured, "The provider does not understand the request: a parameter is missing, unknown to it, or not as registered, such as the redirect URI.", cureSettings},
	"insufficient_scope":         {Misconfigured, "The scopes are not enough for this.", "Add the missing scope to the profile."},
	"invalid_token":              {Rejected, "The provider does not accept the access token.", cureReconnect},
	"unsupported_token_type":     {Unsupported, "The provider cannot revoke this kind of token.", "Revoke it at the provider."},
	"access_denied":              {Denied, "The user, or the provider's rules for this user, declined.", "Start again, or ask who runs the provider whether this account may use this application."},
	"server_error":               {Temporary, "The provider has a problem.", cureLater},
	"temporarily_unavailable":    {Temporary, "The provider is busy or being maintained.", cureLater},
	"slow_down":                  {Limited, "The provider asks for fewer requests.", cureLater},
	"rate_limit_exceeded":        {Limited, "The provider asks for fewer requests.", cureLater},
	"too_many_requests":          {Limited, "The provider asks for fewer requests.", cureLater},
	"invalid_redirect_uri":       {Misconfigured, "The provider does not accept the redirect URI.", "Register the profile's redirect URI at the provider."},
	"invalid_client_metadata":    {Misconfigured, "The provider does not register a client like this.", "Register the client there by hand and type it in here."},
	"invalid_software_statement": {Misconfigured, "The provider registers clients with a statement of a kind that it trusts only.", "Register the client there by hand and type it in here."},
	"unapproved_software_statement": {
		Misconfigured, "The provider registers clients with a statement of a kind that it trusts only.", "Register the client there by hand and type it in here.",
	},

	"incorrect_client_credentials": {Misconfigured, "The provider does not accept the client id or secret.", cureClient},
	"redirect_uri_mismatch":        {Misconfigured, "The redirect URI is not the one that is registered at the provider.", "Register the profile's redirect URI at the provider."},
	"application_suspended":        {Misconfigured, "The provider has suspended the application.", "Ask the provider."},
	"bad_verification_code":        {Rejected, "The provider does not accept its own code: it is over, or was used before.", cureReconnect},
	"bad_refresh_token":            {Rejected, "The provider no longer accepts the refresh token: it is expired or was used before.", cureReconnect},
	"deleted_client":               {Misconfigured, "The client was deleted at the provider.", cureClient},
	"disabled_client":              {Misconfigured, "The client is turned off at the provider.", cureClient},
	"admin_policy_enforced":        {Denied, "The rules of the user's organization do not let this application in.", "Ask who runs the organization's accounts at the provider."},
	"unverified_user_email":        {Denied, "The provider wants the user to verify an e-mail address first.", "Verify it there, then connect again."},
}

// aadsts are what Microsoft Entra writes into its descriptions, where that says more
// than the code (https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes).
var aadsts = map[string]meaning{
	"AADSTS9010010": {Misconfigured, "Microsoft Entra does not accept the resource parameter beside these scopes.", "Turn on “omit resource” in the profile and name the API in its scopes, such as api://…/.default."},
	"AADSTS90009":   {Misconfigured, "Microsoft Entra takes the refresh for a token of the application for itself, because the scope is missing.", "Turn on “repeat the scopes at a refresh” in the profile."},
	"AADSTS90014":   {Misconfigured, "Microsoft Entra misses a parameter.", cureSettings},
	"AADSTS7000215": {Misconfigured, "Microsoft Entra does not accept the client secret: it wants the secret's value, not its id.", "Type the value of a client secret into the profile."},
	"AADSTS7000222": {Misconfigured, "The client secret at Microsoft Entra has expired.", "Make a new client secret there and type it into the profile."},
	"AADSTS700016":  {Misconfigured, "Microsoft Entra does not know the application in this directory.", "Compare the client id and the directory id in the profile with the app registration."},
	"AADSTS50011":   {Misconfigured, "The redirect URI is not registered at Microsoft Entra.", "Add the profile's redirect URI to the app registration, for the platform Web."},
	"AADSTS700082":  {Rejected, "The refresh token of Microsoft Entra expired because it was not used.", cureReconnect},
	"AADSTS70043":   {Rejected, "The sign-in at Microsoft Entra is over by a rule of its directory.", cureReconnect},
	"AADSTS50173":   {Rejected, "Microsoft Entra took the connection back, as after a change of password.", cureReconnect},
	"AADSTS50076":   {Rejected, "Microsoft Entra asks for another factor.", cureReconnect},
	"AADSTS50079":   {Rejected, "Microsoft Entra asks the user to set up another factor.", cureReconnect},
	"AADSTS65001":   {Rejected, "The user or an administrator has not agreed to this application at Microsoft Entra.", "Connect again, or let an administrator agree there."},
	"AADSTS50057":   {Denied, "The user's account at Microsoft Entra is disabled.", "Ask who runs the directory."},
}

// byStatus is for answers that hold no error that can be read.
func byStatus(status int) meaning {
	switch {
	case status == http.StatusTooManyRequests:
		return meaning{Limited, "The provider asks for fewer requests.", cureLater}
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return meaning{Temporary, "The provider has a problem.", cureLater}
	case status == http.StatusUnauthorized:
		return meanings["invalid_client"]
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return meaning{Misconfigured, "There is nothing at this address of the provider.", "Compare the endpoints in the profile with the provider's documentation."}
	}
	return meaning{Invalid, "The provider's answer cannot be read.", cureSettings}
}
