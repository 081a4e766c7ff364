package accounts

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/tenancy"
)

// Accounts signs people up and in.
type Accounts struct {
	db     *tenancy.DB
	hasher *hasher
	tries  *tries
}

// New makes the use cases. cost is DefaultCost outside tests.
func New(db *tenancy.DB, cost Cost) *Accounts {
	return &Accounts{db: db, hasher: newHasher(cost), tries: newTries(db.Clock())}
}

// Account is a person.
type Account struct {
	ID    string
	Email string
	Name  string
}

type accountRow struct {
	ID           string
	Email        string
	EmailKey     string
	Name         string
	PasswordHash string
	CreatedAt    time.Time
}

func (accountRow) TableName() string { return "accounts" }

func (r accountRow) account() Account { return Account{ID: r.ID, Email: r.Email, Name: r.Name} }

// SignUp makes an account. Errors: Invalid with the fields name, email, password.
// An address that already has an account is Conflict, without a word about whose
// it is; RateLimited after many sign-ups from one address.
func (a *Accounts) SignUp(ctx context.Context, name, email, password, from string) (Account, error) {
	name = names.Clean(name)
	shown, key, ok := parseEmail(email)
	problems := map[string]string{}
	if n := utf8.RuneCountInString(name); n < 1 || n > 80 {
		problems["name"] = "Tell us what to call you, in at most 80 characters."
	}
	if !ok {
		problems["email"] = "That does not look like an e-mail address."
	}
	if p := checkPassword(password, shown); p != "" {
		problems["password"] = p
	}
	if err := errs.Fields(problems); err != nil {
		return Account{}, err
	}
	if err := a.tries.takeSignUp(from); err != nil {
		return Account{}, err
	}
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return Account{}, err
	}
	row := accountRow{ID: ids.New("acc"), Email: shown, EmailKey: key, Name: name, PasswordHash: hash}
	err = a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		row.CreatedAt = tx.Now()
		return tx.DB().Create(&row).Error
	})
	if errs.Is(err, errs.Conflict) {
		return Account{}, errs.E(errs.Conflict, "This address cannot be used to sign up. If it is yours, sign in instead.", nil)
	}
	if err != nil {
		return Account{}, fmt.Errorf("sign up: %w", err)
	}
	return row.account(), nil
}

// ErrWrongSignIn is the one answer to an unknown address and a wrong password.
var ErrWrongSignIn = errs.E(errs.Unauthenticated, "The e-mail address and the password do not match.", nil)

// SignIn checks an address and a password. from is the address that the request
// came from, for the limits. Errors: ErrWrongSignIn; RateLimited after many wrong
// tries for one account from one network, from all of them, or from one address.
func (a *Accounts) SignIn(ctx context.Context, email, password, from string) (Account, error) {
	_, key, _ := parseEmail(email)
	if err := a.tries.take(key, from); err != nil {
		return Account{}, err
	}
	row, ok, err := a.check(ctx, key, password)
	if err != nil {
		a.tries.refund(key, from)
		return Account{}, err
	}
	if !ok {
		return Account{}, ErrWrongSignIn
	}
	a.tries.succeeded(key, from)
	_ = a.renewHash(ctx, row, password) // the sign-in is right without it, and the next one tries again
	return row.account(), nil
}

// check does the same work for an account that exists and for one that does not.
func (a *Accounts) check(ctx context.Context, key, password string) (row accountRow, ok bool, err error) {
	if key != "" {
		err := a.db.SystemRead(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
			return tx.DB().Where("email_key = ?", key).First(&row).Error
		})
		if err != nil && !errs.Is(err, errs.NotFound) {
			return accountRow{}, false, fmt.Errorf("sign in: %w", err)
		}
	}
	if utf8.RuneCountInString(normalise(password)) > maxPassword {
		password = "" // still takes as long as any other wrong one
	}
	ok, err = a.hasher.check(ctx, row.PasswordHash, password)
	if err != nil {
		return accountRow{}, false, fmt.Errorf("check password: %w", err)
	}
	return row, ok, nil
}

// renewHash stores the password with today's parameters where it was hashed with
// others: the one moment at which the password is known.
func (a *Accounts) renewHash(ctx context.Context, row accountRow, password string) error {
	if !a.hasher.outdated(row.PasswordHash) {
		return nil
	}
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&accountRow{}).Where("id = ? AND password_hash = ?", row.ID, row.PasswordHash).Update("password_hash", hash).Error
	})
	if err != nil {
		return fmt.Errorf("renew password hash: %w", err)
	}
	return nil
}

// ByIDs reads accounts, for showing names. Unknown ids are left out.
func (a *Accounts) ByIDs(ctx context.Context, keys []string) (map[string]Account, error) {
	out := map[string]Account{}
	if len(keys) == 0 {
		return out, nil
	}
	var rows []accountRow
	err := a.db.SystemRead(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Where("id IN ?", keys).Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	for _, r := range rows {
		out[r.ID] = r.account()
	}
	return out, nil
}
