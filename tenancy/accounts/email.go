package accounts

import (
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

const maxEmail = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets

// parseEmail gives the address as typed (trimmed) and the key under which it is
// unique: the local part by the rule for user names that ignore case (RFC 8265,
// section 3.3), which also refuses what cannot be seen, and the host in its ASCII
// form. ok is false, and the key empty, where it is not one plain address.
func parseEmail(s string) (shown, key string, ok bool) {
	shown = strings.TrimSpace(s)
	if !plainAddress(shown) {
		return shown, "", false
	}
	local, host, _ := strings.Cut(shown, "@")
	local, err := precis.UsernameCaseMapped.String(local)
	if err != nil {
		return shown, "", false
	}
	host, err = idna.Lookup.ToASCII(strings.ToLower(host))
	if err != nil || !validHost(host) {
		return shown, "", false
	}
	key = local + "@" + host
	// Full-width forms become ASCII by the mapping, and could be an @ or a quote now.
	if !plainAddress(key) {
		return shown, "", false
	}
	return shown, key, true
}

// plainAddress reports whether s is local@host, with nothing quoted, commented or
// named around it.
func plainAddress(s string) bool {
	if s == "" || len(s) > maxEmail || strings.Count(s, "@") != 1 || strings.ContainsAny(s, "\r\n\t ,;:<>()[]\"\\") {
		return false
	}
	addr, err := mail.ParseAddress(s)
	return err == nil && addr.Address == s
}

// validHost bounds what the ASCII form leaves open: DNS's lengths.
func validHost(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}
