package clients

// Grant types.
const (
	GrantCode              = "authorization_code"
	GrantRefresh           = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantDevice            = "urn:ietf:params:oauth:grant-type:device_code" // RFC 8628
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"  // RFC 7523
)

// usual are the grant types of every client that acts for people. Refresh is among
// them whether asked for or not: a client that never asks would lose its sign-in
// after an hour.
var usual = []string{GrantCode, GrantRefresh}
