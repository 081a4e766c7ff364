package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

const maxRecipients = 20

// Settings say who is told of what.
type Settings struct {
	// Recipients are addresses that get alerts by mail.
	Recipients []string
	// TellOwners says that the workspace's owners get them, too.
	TellOwners bool
	// Events are what they get.
	Events []Event
	// TellUsers says that users get a mail when their own access has ended or ends soon.
	TellUsers bool
	// Version is 0 where nothing was ever saved.
	Version int64
}

// SettingsOf reads the settings. A workspace that has saved none tells its owners and its
// users.
func SettingsOf(tx *tenancy.Tx) (Settings, error) { return settingsOf(tx) }

func settingsOf(tx *tenancy.Tx) (Settings, error) {
	var rows []settingsRow
	if err := tx.DB().Limit(1).Find(&rows).Error; err != nil {
		return Settings{}, fmt.Errorf("read alert settings: %w", err)
	}
	if len(rows) == 0 {
		return Settings{TellOwners: true, TellUsers: true, Events: DefaultEvents()}, nil
	}
	return rows[0].settings()
}

func (r settingsRow) settings() (Settings, error) {
	recipients, err := decode[[]string](r.Recipients)
	if err != nil {
		return Settings{}, fmt.Errorf("read alert recipients: %w", err)
	}
	events, err := decode[[]Event](r.Events)
	if err != nil {
		return Settings{}, fmt.Errorf("read alert events: %w", err)
	}
	return Settings{Recipients: recipients, TellOwners: r.TellOwners, Events: events, TellUsers: r.TellUsers, Version: r.Version}, nil
}

// checked tidies what was typed, or says by field what will not do.
func (s Settings) checked() (Settings, error) {
	wrong := map[string]string{}
	recipients := []string{}
	known := map[string]bool{}
	for _, typed := range s.Recipients {
		address, ok := mail.ParseAddress(typed)
		if !ok {
			wrong["recipients"] = "“" + mail.Line(typed, 60) + "” is not an e-mail address."
			continue
		}
		if key := strings.ToLower(address); !known[key] {
			known[key] = true
			recipients = append(recipients, address)
		}
	}
	if len(recipients) > maxRecipients {
		wrong["recipients"] = fmt.Sprintf("At most %d addresses. Use a mailing list for more.", maxRecipients)
	}
	s.Recipients = recipients
	var ok bool
	if s.Events, ok = chosen(s.Events); !ok {
		wrong["events"] = "There is no such event."
	}
	return s, errs.Fields(wrong)
}

// chosen are the events in their order, each once; false where one is none to choose.
func chosen(events []Event) ([]Event, bool) {
	out := []Event{}
	for _, k := range Kinds() {
		if slices.Contains(events, k.Event) {
			out = append(out, k.Event)
		}
	}
	return out, !slices.ContainsFunc(events, func(e Event) bool { return !e.public() })
}

// SaveSettings changes who is told. Errors: errs.Invalid with the fields recipients and
// events, errs.Stale.
func (n *Notify) SaveSettings(ctx context.Context, h tenancy.Handle, s Settings) error {
	s, err := s.checked()
	if err != nil {
		return err
	}
	recipients, err := encode(s.Recipients)
	if err != nil {
		return err
	}
	events, err := encode(s.Events)
	if err != nil {
		return err
	}
	err = n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		before, err := settingsOf(tx)
		if err != nil {
			return err
		}
		row := settingsRow{
			TenantID: tx.Tenant(), Recipients: recipients, Events: events, TellUsers: s.TellUsers, TellOwners: s.TellOwners, Version: s.Version + 1, UpdatedAt: tx.Now(),
		}
		res := tx.DB().Model(&settingsRow{}).Where("version = ?", s.Version).Select("*").Omit("tenant_id").Updates(&row)
		if s.Version == 0 {
			res = tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		}
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Stale, "Somebody changed the alerts while you were editing. Look at the current values, then save again.", nil)
		}
		return audit.Record(tx, audit.Entry{Action: "alerts.settings", TargetKind: "workspace", TargetID: tx.Tenant(), Before: before.facts(), After: s.facts()})
	})
	if err != nil {
		return fmt.Errorf("save alert settings: %w", err)
	}
	return nil
}

// facts are what the audit log keeps.
func (s Settings) facts() map[string]any {
	return map[string]any{"recipients": len(s.Recipients), "tell_owners": s.TellOwners, "tell_users": s.TellUsers, "events": s.Events}
}
