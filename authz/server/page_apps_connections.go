package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/enduser"
)

const disconnectPath = appsPath + "/disconnect"

// connectionsOf are the accounts that a person has connected, and those that the
// runtimes of their apps lack.
func (s *Server) connectionsOf(r *http.Request, subject string, apps []app) ([]enduser.Connection, error) {
	req := requestFrom(r.Context())
	mine, err := s.connects.Mine(r.Context(), req.handle, subject)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	seen := map[string]bool{}
	for _, app := range apps {
		if seen[app.resource.ID] {
			continue
		}
		seen[app.resource.ID] = true
		card, err := s.connects.Card(r.Context(), req.handle, CardQuery{Subject: subject, UpstreamID: app.resource.ID})
		if gone(err) {
			continue // nothing is attached to it
		}
		if err != nil {
			return nil, fmt.Errorf("read what a runtime lacks: %w", err)
		}
		known := slices.ContainsFunc(mine, func(c Connection) bool { return c.ProfileID == card.ProfileID })
		if card.Missing && !known {
			mine = append(mine, Connection{ProfileID: card.ProfileID, Profile: card.Name, Key: card.Key})
		}
	}
	out := make([]enduser.Connection, len(mine))
	for i, c := range mine {
		out[i] = describeConnection("connection-"+strconv.Itoa(i+1), c)
	}
	return out, nil
}

func describeConnection(id string, c Connection) enduser.Connection {
	state := connectStates[c.State]
	out := enduser.Connection{
		ID: id, Name: c.Profile, Account: c.Account, State: state[0], Tone: state[1], Reason: c.Reason, Scopes: connectScopes(c.Scopes, false),
		Connected: momentOf(c.ConnectedAt), Used: momentOf(c.UsedAt), Next: momentOf(c.NextAt),
		ConnectHref: flow.ConnectPath + "?profile=" + url.QueryEscape(c.ProfileID), ConnectText: "Reconnect", DisconnectHref: disconnectPath + "?profile=" + url.QueryEscape(c.ProfileID),
	}
	switch c.State {
	case "", stateRevoked:
		out.ConnectText, out.DisconnectHref = "Connect", ""
		out.Connected, out.Next = enduser.Moment{}, enduser.Moment{}
	case stateNeedsReconnect:
		out.Next = enduser.Moment{}
	}
	return out
}

// disconnectPage asks before a connection is ended.
func (s *Server) disconnectPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, flow.OwnID)
	if !ok {
		return
	}
	if a.Next() == flow.StepSignIn {
		s.step(w, a)
		return
	}
	profile := r.URL.Query().Get("profile")
	mine, err := s.connects.Mine(r.Context(), requestFrom(r.Context()).handle, a.Person.ID)
	i := slices.IndexFunc(mine, func(c Connection) bool { return c.ProfileID == profile })
	if err == nil && i < 0 {
		err = errs.E(errs.NotFound, "You have no such connection.", nil)
	}
	var card ConnectCard
	if err == nil {
		card, err = s.connects.Card(r.Context(), requestFrom(r.Context()).handle, CardQuery{Subject: a.Person.ID, ProfileID: profile})
	}
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "'self'", enduser.Disconnect(enduser.DisconnectPage{
		Page: s.page(r, a), Name: mine[i].Profile, Profile: profile, Account: mine[i].Account, Key: mine[i].Key, SignIn: card.SignIn,
	}))
}

func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.own(w, r)
	if !ok {
		return
	}
	err := s.connects.Disconnect(r.Context(), requestFrom(r.Context()).handle, a.Person.ID, values.Get("profile"))
	s.ended(w, r, err, "disconnected")
}
