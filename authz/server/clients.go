package server

import (
	"errors"
	"fmt"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/tenancy"
)

// ClientNames reads the names that clients gave themselves, for the log.
func ClientNames(tx *tenancy.Tx, keys []string) (map[string]string, error) {
	return clients.Names(tx, keys)
}

// endClient ends what was issued to a client, and forgets what people agreed to.
func (s *Server) endClient(tx *tenancy.Tx, clientID, reason string) error {
	now := tx.Now()
	err := tx.DB().Model(&familyRow{}).Where("client_id = ? AND revoked_at IS NULL", clientID).
		Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason}).Error
	if err != nil {
		return fmt.Errorf("revoke tokens of client: %w", err)
	}
	if err := tx.DB().Model(&consentRow{}).Where("client_id = ? AND revoked_at IS NULL", clientID).Update("revoked_at", &now).Error; err != nil {
		return fmt.Errorf("revoke consents to client: %w", err)
	}
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	return nil
}

type consentRow struct{ TenantID, ID string }

func (consentRow) TableName() string { return "consents" }

// refusalOf gives why a client is not let in, nil where the error is another one.
func refusalOf(err error) *clients.Refusal {
	refused, _ := errors.AsType[*clients.Refusal](err)
	return refused
}
