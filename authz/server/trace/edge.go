package trace

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// Passed is a step that the edge saw; its fields are those of edge.TraceEvent.
type Passed struct {
	Step                        string
	At                          time.Time
	Issuer                      string
	UpstreamID                  string
	Slug                        string
	Status                      int
	Reason                      string
	Method                      string
	Tool                        string
	FamilyID, ClientID, Subject string
	ProtocolVersion             string
}

// OriginOf is who sent a request from an address.
func OriginOf(addr netip.Addr, r *http.Request) Origin {
	return Origin{Network: NetworkOf(addr), UserAgent: Agent(r.UserAgent())}
}

// Passed takes a step of the edge. It never waits.
func (r *Recorder) Passed(who Origin, p Passed) {
	e := Event{
		Step: Step(p.Step), At: p.At, OK: p.Reason == "" && p.Status < http.StatusBadRequest, Code: plain(p.Reason),
		UpstreamID: p.UpstreamID, Subject: p.Subject, FamilyID: p.FamilyID,
		Answered: Message{Line: strconv.Itoa(p.Status)},
	}
	path := "/" + p.Slug + "/mcp"
	switch e.Step { //nolint:exhaustive // the edge sees no others, and they all look alike
	case Challenge:
		// 401 is what a client without a token has to get.
		e.OK = p.Reason == ""
		e.Asked = Message{Line: plain(p.Method) + " " + path}
		e.Answered = e.Answered.with("www-authenticate", "resource_metadata")
	case ResourceMetadata:
		e.Asked = Message{Line: plain(p.Method) + " /.well-known/oauth-protected-resource" + path}
	default:
		e.Asked = Message{Line: plain(p.Method) + " " + path}
	}
	e.Asked = e.Asked.with("tool", plain(p.Tool)).with("protocol", plain(p.ProtocolVersion)).with("client_id", clientID(p.ClientID))
	e.Answered = e.Answered.with("reason", e.Code)
	r.Record(p.Issuer, who, e)
}
