package profiles

import "strings"

// movedTextStart tells the error apart that an administrator can accept.
const movedTextStart = "The provider's metadata now sends tokens to "

func movedText(hosts []string) string {
	return movedTextStart + strings.Join(hosts, " and ") + ", where they did not go before. The endpoints stay as they were until you accept that."
}
