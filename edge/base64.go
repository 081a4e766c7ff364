package edge

import "encoding/base64"

// decodeStrict decodes base64url (RFC 4648, section 5, without padding) in the one
// spelling that encodes to it: the library's decoder passes over line breaks, and
// over stray last bits unless it is told not to.
func decodeStrict(text string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(raw)) != len(text) {
		return nil, false
	}
	return raw, true
}
