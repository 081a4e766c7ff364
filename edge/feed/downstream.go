package feed

import (
	"slices"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/upstreams"
)

// contractOf gives nil for the documented contract.
func contractOf(c upstreams.Contract) *snapshot.Contract {
	if len(c.Headers) == 0 && !c.Bearer && !c.AssertionOnly {
		return nil
	}
	return &snapshot.Contract{
		Secret: c.Name(upstreams.HeaderSecret), Token: c.Name(upstreams.HeaderToken), Subject: c.Name(upstreams.HeaderSubject),
		Tenant: c.Name(upstreams.HeaderTenant), Client: c.Name(upstreams.HeaderClient), RequestID: c.Name(upstreams.HeaderRequestID),
		Assertion: c.Name(upstreams.HeaderAssertion), Bearer: c.Bearer, AssertionOnly: c.AssertionOnly,
	}
}

// downstreamOf puts together what a call of each tool needs, so that the edge looks it up and computes nothing.
func downstreamOf(d profiles.Delivery) *snapshot.Downstream {
	out := &snapshot.Downstream{
		ProfileID: d.ProfileID, ProfileName: d.ProfileName, Kind: string(d.Kind), Need: snapshot.Need(d.NeededFor), Scopes: d.Scopes, Allowed: d.Allowed,
		Header: d.Header, Format: d.Format, Audience: d.Audience,
	}
	if len(d.ToolScopes) == 0 {
		return out
	}
	out.ToolScopes = make(map[string][]string, len(d.ToolScopes))
	every := d.ToolScopes[snapshot.AnyTool]
	for tool, more := range d.ToolScopes {
		needs := slices.Clone(d.Scopes)
		for _, scope := range slices.Concat(every, more) {
			if !slices.Contains(needs, scope) {
				needs = append(needs, scope)
			}
		}
		out.ToolScopes[tool] = needs
	}
	return out
}
