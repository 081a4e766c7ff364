package accounts

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// ByEmail reads the account of an address. Whoever asks must have seen that the address
// is the person's own. Error: errs.NotFound.
func (a *Accounts) ByEmail(ctx context.Context, email string) (Account, error) {
	_, key, ok := parseEmail(email)
	if !ok {
		return Account{}, errs.E(errs.NotFound, "There is no account with this address.", nil)
	}
	var row accountRow
	err := a.db.SystemRead(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Where("email_key = ?", key).First(&row).Error
	})
	if err != nil {
		return Account{}, fmt.Errorf("read account by e-mail: %w", err)
	}
	return row.account(), nil
}
