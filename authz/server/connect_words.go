package server

import (
	"net/http"
	"strings"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/enduser"
	"github.com/emcy/gateway/ui/kit"
)

// States of a connection, as package grants names them.
const (
	stateConnected      = "connected"
	stateRefreshing     = "refreshing"
	stateRefreshFailing = "refresh_failing"
	stateNeedsReconnect = "needs_reconnect"
	stateRevoked        = "revoked"
)

// connectStates are the states in words and tones.
var connectStates = map[string][2]string{
	"":                  {"Not connected", kit.ToneNeutral},
	stateConnected:      {"Connected", kit.ToneOK},
	stateRefreshing:     {"Connected, being renewed", kit.ToneOK},
	stateRefreshFailing: {"Connected, but it cannot be renewed now", kit.ToneWarn},
	stateNeedsReconnect: {"Has to be connected again", kit.ToneFail},
	stateRevoked:        {"Disconnected", kit.ToneNeutral},
}

// connectNote says on the card how a connection stands so far.
func connectNote(card ConnectCard) (tone, title, text string) {
	as := ""
	if card.Account != "" {
		as = " as " + card.Account
	}
	switch card.State {
	case "", stateRevoked:
		return "", "", ""
	case stateNeedsReconnect:
		return kit.ToneWarn, "It was connected" + as + " and has ended", card.Reason
	}
	if card.Missing {
		return kit.ToneInfo, "It is connected" + as + ", without all permissions", "Those marked “New” were not given yet."
	}
	return kit.ToneInfo, "It is connected" + as, card.Reason
}

// connectScopes are a provider's permissions; fresh marks those that a connection
// lacks which has others.
func connectScopes(list []ConnectScope, fresh bool) []enduser.ConnectScope {
	some := false
	for _, scope := range list {
		some = some || scope.Have
	}
	out := make([]enduser.ConnectScope, len(list))
	for i, scope := range list {
		out[i] = enduser.ConnectScope{Name: scope.Name, Text: scope.Text, Fresh: fresh && some && !scope.Have}
	}
	return out
}

// asks says which app at which runtime a link was made for.
func (s *Server) asks(r *http.Request, link ConnectLink) (client string, verified bool, runtime string, err error) {
	err = s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) error {
		resource, err := s.resources.ByID(tx, link.UpstreamID)
		if err != nil && !gone(err) {
			return err
		}
		runtime = resource.Name
		c, err := (lookup{s}).Client(tx, link.ClientID)
		if gone(err) {
			return nil
		}
		client, verified = names.Clean(c.Name), c.Kind == flow.KindPreregistered
		if c.Verified != "" && c.Kind == flow.KindCIMD {
			client, verified = c.Verified, true
		}
		return err
	})
	return client, verified, runtime, err
}

// keyLike reports whether a text can be an API key: it goes into a header.
func keyLike(key string) bool {
	return len(key) <= maxKey && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
