package forms

import (
	"strconv"
	"strings"
)

// Authorization is the form of a workspace's authorization settings.
type Authorization struct {
	CIMD, DCR, DPoP, PAR, SigningAlg string
	// DCRHosts are the lines of the field, without empty ones.
	DCRHosts []string
	// Access, RefreshIdle and Family are seconds; -1 is no number.
	Access, RefreshIdle, Family                        int64
	Review, ClientCredentials, Device, RememberConsent bool
	// Version is the one that the form was filled from; -1 where it is no number.
	Version int64
}

// ReadAuthorization reads the form.
func ReadAuthorization(v Values) Authorization {
	return Authorization{
		CIMD: v.one("cimd"), DCR: v.one("dcr"), DPoP: v.one("dpop"), PAR: v.one("par"), SigningAlg: v.one("signing_alg"),
		DCRHosts: strings.Fields(v.one("dcr_hosts")),
		Access:   v.number("access"), RefreshIdle: v.number("refresh_idle"), Family: v.number("family"),
		Review: v.one("review") != "", ClientCredentials: v.one("client_credentials") != "", Device: v.one("device") != "", RememberConsent: v.one("remember_consent") != "",
		Version: v.number("version"),
	}
}

// number is a whole number that is not negative; -1 for everything else.
func (v Values) number(name string) int64 {
	n, err := strconv.ParseInt(v.one(name), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
