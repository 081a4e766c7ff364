package profiles

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/emcy/gateway/tenancy"
)

// What a grant is needed for at a runtime, in Attachment.NeededFor.
const (
	// NeededForNothing lets every request through without one.
	NeededForNothing = "nothing"
	// NeededForCalls asks for one when something is called or read.
	NeededForCalls = "calls"
	// NeededForEverything asks for one in the sign-in, and for every request.
	NeededForEverything = "everything"
)

// Attachment says what a runtime takes of a profile.
type Attachment struct {
	UpstreamID, ProfileID string
	// Scopes are what people are asked for when they connect.
	Scopes []string
	// ToolScopes are what a tool needs beyond them, by its name.
	ToolScopes map[string][]string
	// NeededFor is NeededForNothing, NeededForCalls or NeededForEverything.
	NeededFor string
	// Audience is asked for in a token exchange, in the place of the profile's.
	Audience string
	Version  int64
}

// Delivery is an attachment as the edge needs it.
type Delivery struct {
	ProfileID, ProfileName string
	Kind                   Kind
	Scopes                 []string
	ToolScopes             map[string][]string
	// Allowed is the set that Scopes and ToolScopes are taken from.
	Allowed             []string
	NeededFor, Audience string
	// Header and Format are how a key is sent, of a profile of kind KindAPIKey.
	Header, Format string
}

func (r attachmentRow) attachment() (Attachment, error) {
	a := Attachment{UpstreamID: r.UpstreamID, ProfileID: r.ProfileID, Scopes: strings.Fields(r.Scopes), NeededFor: r.NeededFor, Audience: r.Audience, Version: r.Version}
	if err := json.Unmarshal([]byte(r.ToolScopes), &a.ToolScopes); err != nil {
		return Attachment{}, fmt.Errorf("read tool scopes of %s: %w", r.UpstreamID, err)
	}
	return a, nil
}

// Attached gives what is attached to a runtime; false where nothing is.
func Attached(tx *tenancy.Tx, upstreamID string) (Attachment, Profile, bool, error) {
	rows, err := attachmentRows(tx, "upstream_id = ?", upstreamID)
	if err != nil || len(rows) == 0 {
		return Attachment{}, Profile{}, false, err
	}
	a, err := rows[0].attachment()
	if err != nil {
		return Attachment{}, Profile{}, false, err
	}
	p, err := Get(tx, a.ProfileID)
	return a, p, err == nil, err
}

// AttachedTo gives the attachments of a profile.
func AttachedTo(tx *tenancy.Tx, profileID string) ([]Attachment, error) {
	rows, err := attachmentRows(tx, "profile_id = ?", profileID)
	if err != nil {
		return nil, err
	}
	out := make([]Attachment, len(rows))
	for i, row := range rows {
		if out[i], err = row.attachment(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AttachmentCounts says to how many runtimes each profile is attached.
func AttachmentCounts(tx *tenancy.Tx) (map[string]int, error) {
	var rows []attachmentRow
	if err := tx.DB().Select("profile_id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("count attachments: %w", err)
	}
	out := map[string]int{}
	for _, row := range rows {
		out[row.ProfileID]++
	}
	return out, nil
}

func attachmentRows(tx *tenancy.Tx, where, id string) ([]attachmentRow, error) {
	var rows []attachmentRow
	if err := tx.DB().Where(where, id).Order("upstream_id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read attachments: %w", err)
	}
	return rows, nil
}

// LoadAttached reads what is attached to each of the tenant's runtimes, by upstream
// id, for the edge's snapshot.
func LoadAttached(tx *tenancy.Tx) (map[string]Delivery, error) {
	var rows []attachmentRow
	if err := tx.DB().Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load attachments: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	list, err := List(tx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Profile, len(list))
	for _, p := range list {
		byID[p.ID] = p
	}
	out := make(map[string]Delivery, len(rows))
	for _, row := range rows {
		a, err := row.attachment()
		if err != nil {
			return nil, err
		}
		p := byID[a.ProfileID]
		d := Delivery{ProfileID: p.ID, ProfileName: p.Name, Kind: p.Kind, Scopes: a.Scopes, ToolScopes: a.ToolScopes, Allowed: p.Settings.Scopes, NeededFor: a.NeededFor, Audience: a.Audience}
		switch p.Kind {
		case KindAPIKey:
			d.Header, d.Format = p.Settings.APIKey.Header, p.Settings.APIKey.Format
		case KindExchange:
			if d.Audience == "" {
				d.Audience = p.Settings.Exchange.Audience
			}
		case KindOAuth:
		}
		out[a.UpstreamID] = d
	}
	return out, nil
}
