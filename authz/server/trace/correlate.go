package trace

import (
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// How requests are put together to one attempt. Before /authorize a client carries no
// name of ours, so this is a judgement by what there is, and may be wrong:
//
//   - Discovery and registration belong to the newest attempt of the same network,
//     user agent and runtime that is under way and not older than ten minutes. An OAuth
//     request whose user agent is new (some clients have two HTTP libraries) joins the one
//     attempt that began discovery in its network within the last minute, where there
//     is exactly one.
//   - /authorize belongs to the attempt that registered its client_id. A registration
//     that is used after another one of the same attempt was is somebody else's, behind the
//     same network and user agent (hosted clients are): it moves out, to an attempt of
//     its own. A client_id that is a URL, or older than the attempt, is no such sign: then
//     it is the attempt that read our metadata and has no client yet, in the browser's
//     network, or the only one anywhere (hosted clients ask from elsewhere).
//   - From there on it is certain: the authorization attempt, the code and the token
//     family carry the trace's id, and the edge names the family.
//
// What fits nowhere begins a trace of its own at that step.

// find gives the trace that an event belongs to, or makes it. Nil is an event that is
// not to be kept.
func find(tx *tenancy.Tx, id string, who Origin, e Event) (*traceRow, error) {
	switch {
	case id != "":
		return byID(tx, id)
	case e.FamilyID != "" || e.secret != "":
		row, known, err := byFamily(tx, e)
		if err != nil || known {
			return row, err
		}
		if e.Step != Token {
			return nil, nil // a family from before traces, or one that nobody watched
		}
		return create(tx, who, e)
	}
	var row *traceRow
	var err error
	switch e.Step {
	case Challenge, ResourceMetadata, ServerMetadata, Register:
		row, err = byOrigin(tx, who, e)
	case ClientDocument, Authorize, Token:
		row, err = byClient(tx, who, e)
	case SignIn, Consent, Code, FirstRequest, ToolsList, FirstCall:
		return nil, nil
	}
	if err != nil || row != nil {
		return row, err
	}
	return create(tx, who, e)
}

func byID(tx *tenancy.Tx, id string) (*traceRow, error) {
	var row traceRow
	err := tx.DB().Where("id = ?", id).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	return &row, err
}

// byFamily also reports whether the family is one that has a trace, though the trace
// may be gone.
func byFamily(tx *tenancy.Tx, e Event) (row *traceRow, known bool, err error) {
	family := e.FamilyID
	if family == "" {
		var code codeRow
		err := tx.DB().Where("hash = ?", e.secret).First(&code).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return byDevice(tx, e)
		}
		if err != nil {
			return nil, false, err
		}
		family = code.FamilyID
	}
	var owner familyRow
	err = tx.DB().Where("id = ?", family).First(&owner).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if owner.TraceID != "" {
		if row, err = byID(tx, owner.TraceID); row != nil {
			learn(row, Event{UpstreamID: owner.UpstreamID, ClientID: owner.ClientID, Subject: owner.Subject, FamilyID: owner.ID})
		}
		return row, true, err
	}
	var found traceRow
	err = tx.DB().Where("family_id = ?", family).First(&found).Error
	if err == nil {
		return &found, true, nil
	}
	if !errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, false, err
	}
	if e.Step != Token && tx.Now().Sub(owner.CreatedAt) < together {
		// A grant without a browser: the token's own step is on its way from another node.
		row, err = create(tx, Origin{}, e)
		return row, true, err
	}
	return nil, false, nil
}

// byDevice is the attempt whose device code a token request came with, else the client's.
func byDevice(tx *tenancy.Tx, e Event) (row *traceRow, known bool, err error) {
	var device deviceRow
	err = tx.DB().Where("hash = ?", e.secret).First(&device).Error
	switch {
	case err == nil && device.TraceID != "":
		row, err = byID(tx, device.TraceID)
		return row, true, err
	case err == nil || errors.Is(err, gorm.ErrRecordNotFound):
		row, err = byClient(tx, Origin{}, e)
	}
	return row, row != nil, err
}

// open reports whether discovery may still go on in an attempt.
func (row *traceRow) open(at time.Time) bool {
	if age := at.Sub(row.UpdatedAt); age > together || age < -together {
		return false
	}
	switch State(row.State) {
	case TokenIssued, Connected:
		return false
	case Failed:
		return !Step(row.FailedStep).Reached(Consent) || !Step(row.Reached).Reached(Authorize)
	case Discovering, Registered, SigningIn, Consenting, Authorized, Silent, Stalled:
	}
	return true
}

func fits(a, b string) bool { return a == "" || b == "" || a == b }

// recent are the newest attempts of a network.
func recent(tx *tenancy.Tx, network string, at time.Time) ([]traceRow, error) {
	var rows []traceRow
	err := tx.DB().Where("network = ? AND updated_at > ?", network, at.Add(-together)).Order("updated_at DESC, id DESC").Limit(20).Find(&rows).Error
	return rows, err
}

func byOrigin(tx *tenancy.Tx, who Origin, e Event) (*traceRow, error) {
	rows, err := recent(tx, who.Network, e.At)
	if err != nil {
		return nil, err
	}
	var near []*traceRow
	for i := range rows {
		row := &rows[i]
		if !row.open(e.At) || !fits(row.UpstreamID, e.UpstreamID) {
			continue
		}
		if row.UserAgent == who.UserAgent {
			return row, nil
		}
		if State(row.State) == Discovering && e.At.Sub(row.UpdatedAt) < time.Minute {
			near = append(near, row)
		}
	}
	if e.Step != Challenge && len(near) == 1 {
		return near[0], nil
	}
	return nil, nil
}

// byClient finds the attempt of an authorization request.
func byClient(tx *tenancy.Tx, who Origin, e Event) (*traceRow, error) {
	if e.ClientID == "" {
		return nil, nil
	}
	var traces []string
	err := tx.DB().Model(&stepRow{}).Where("client_id = ? AND at > ?", e.ClientID, e.At.Add(-together)).
		Order("at DESC, id DESC").Limit(maxSteps).Pluck("trace_id", &traces).Error
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, id := range traces {
		if seen[id] {
			continue
		}
		seen[id] = true
		row, err := byID(tx, id)
		if err != nil {
			return nil, err
		}
		// A token request is never a beginning: what failed goes on there.
		if row == nil || !row.open(e.At) && (e.Step != Token || State(row.State) != Failed) || !fits(row.UpstreamID, e.UpstreamID) {
			continue
		}
		switch used, err := authorizedBy(tx, id); {
		case err != nil:
			return nil, err
		case used == e.ClientID && e.fresh:
			continue
		case used == "" || used == e.ClientID && (!e.browser || row.BrowserNetwork == "" || row.BrowserNetwork == who.Network):
			return row, nil
		case used != e.ClientID:
			return split(tx, row, who, e)
		}
	}
	if e.Step == Token {
		return nil, nil
	}
	return discovered(tx, who, e)
}

// authorizedBy is the client id with which an attempt went to /authorize.
func authorizedBy(tx *tenancy.Tx, id string) (string, error) {
	var step stepRow
	err := tx.DB().Where("trace_id = ? AND step = ?", id, string(Authorize)).Order("at").First(&step).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return "", nil
	}
	return step.ClientID, err
}

// split moves a registration out of an attempt that another registration was used in.
func split(tx *tenancy.Tx, from *traceRow, who Origin, e Event) (*traceRow, error) {
	row, err := create(tx, who, e)
	if err != nil {
		return nil, err
	}
	row.Network, row.UserAgent, row.BrowserNetwork = from.Network, from.UserAgent, who.Network
	err = tx.DB().Model(&stepRow{}).Where("trace_id = ? AND client_id = ?", from.ID, e.ClientID).Update("trace_id", row.ID).Error
	if err != nil {
		return nil, fmt.Errorf("move steps: %w", err)
	}
	var rest []stepRow
	if err := tx.DB().Where("trace_id = ?", from.ID).Find(&rest).Error; err != nil {
		return nil, err
	}
	return row, rejudge(tx, from, rest)
}

// discovered is the attempt that read our metadata and has no client yet.
func discovered(tx *tenancy.Tx, who Origin, e Event) (*traceRow, error) {
	var rows []traceRow
	err := tx.DB().Where("state = ? AND client_id = '' AND updated_at > ?", string(Discovering), e.At.Add(-together)).
		Order("updated_at DESC, id DESC").Limit(50).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	var elsewhere []*traceRow
	for i := range rows {
		row := &rows[i]
		if !fits(row.UpstreamID, e.UpstreamID) || Step(row.Reached) != ServerMetadata {
			continue
		}
		if row.Network == who.Network {
			return row, nil
		}
		elsewhere = append(elsewhere, row)
	}
	if len(elsewhere) == 1 {
		return elsewhere[0], nil
	}
	return nil, nil
}

func create(tx *tenancy.Tx, who Origin, e Event) (*traceRow, error) {
	row := &traceRow{
		TenantID: tx.Tenant(), ID: ids.NewAt(Prefix, e.At), Network: who.Network, UserAgent: who.UserAgent, State: string(Discovering),
		CreatedAt: e.At.UTC(), UpdatedAt: e.At.UTC(),
	}
	if e.browser {
		row.BrowserNetwork, row.Network, row.UserAgent = who.Network, "", ""
	}
	if err := tx.DB().Create(row).Error; err != nil {
		return nil, fmt.Errorf("store trace: %w", err)
	}
	return row, nil
}
