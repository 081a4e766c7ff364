package edge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/oauthwire"
	"github.com/emcy/gateway/usage/event"
)

// maxShownTool bounds a tool's name in a challenge, in bytes.
const maxShownTool = 80

// checkTools holds the calls of a message against what the token may do. A batch is
// judged whole: none of it runs unless all of it may.
func (x *exchange) checkTools() *refusal {
	if x.edge.Gate == nil {
		return nil
	}
	m := &x.message
	if m.Kind != mcpwire.KindBatch {
		if missing := x.missing(m); missing != "" {
			re := x.lacks(x.needs(missing), toolNeeds(m.Name, missing))
			re.id = m.ID
			return re
		}
		return nil
	}
	var missing []string
	described := ""
	for i := range m.Batch {
		name := x.missing(&m.Batch[i])
		if name == "" {
			continue
		}
		if described == "" {
			described = toolNeeds(m.Batch[i].Name, name)
		}
		if !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return x.lacks(x.needs(missing...), described)
}

// missing names the scope that a call lacks. What is no call of a tool needs no more
// than the endpoint does.
func (x *exchange) missing(m *mcpwire.Message) string {
	if m.Method != mcpwire.MethodToolsCall {
		return ""
	}
	return x.edge.Gate.Missing(x.access.scopes, m.Name)
}

// needs is everything that a message needs: a challenge names all of it at once.
func (x *exchange) needs(further ...string) []string {
	return slices.Concat(x.edge.Scopes, further)
}

func toolNeeds(tool, scope string) string {
	return fmt.Sprintf("the tool %s needs the scope %s", cut(tool, maxShownTool), scope)
}

// StepUps takes note of the scopes that a call with a family's token lacked, so that the
// next sign-in asks for them also where the client does not. Needed must not block.
type StepUps interface {
	Needed(issuer, familyID string, scopes []string)
}

// lacks is the challenge for a token of more scope: 403 (RFC 6750, section 3.1).
func (x *exchange) lacks(need []string, description string) *refusal {
	if x.front.stepUps != nil {
		x.front.stepUps.Needed(x.tenant.Issuer, x.event.FamilyID, need)
	}
	c := x.challenge()
	c.Error, c.Description, c.Scope = oauthwire.ErrorInsufficientScope, description, joinScopes(need)
	// Older clients replace what they had by what is asked for; since 2026-07-28 they add it.
	if headerValue(x.r.Header, mcpwire.HeaderProtocolVersion) < mcpwire.FirstModern {
		c.Scope = joinScopes(need, x.access.scopes...)
	}
	return &refusal{
		status: http.StatusForbidden, code: http.StatusForbidden, reason: event.Because(reasonScope, strings.Join(need, " ")), outcome: event.Denied,
		message: "More access is needed: " + description + ". Connect again and allow it: " + joinScopes(need) + ".", challenge: c.String(),
	}
}
