package accounts

import (
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const maxEmail = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets

// parseEmail gives the address as typed (trimmed) and the key under which it is
// unique: NFC, lower case, the host in its ASCII form. ok is false where it is not
// one plain address.
func parseEmail(s string) (shown, key string, ok bool) {
	shown = strings.TrimSpace(s)
	if shown == "" || len(shown) > maxEmail || strings.Count(shown, "@") != 1 || strings.ContainsAny(shown, "\r\n\t ,;<>()\"\\") {
		return shown, "", false
	}
	addr, err := mail.ParseAddress(shown)
	if err != nil || addr.Address != shown {
		return shown, "", false
	}
	local, host, _ := strings.Cut(shown, "@")
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(host))
	if err != nil || ascii == "" {
		return shown, "", false
	}
	return shown, strings.ToLower(norm.NFC.String(local)) + "@" + ascii, true
}
