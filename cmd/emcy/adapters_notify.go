package main

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// directory finds those to whom mail goes.
type directory struct {
	db       *tenancy.DB
	accounts *accounts.Accounts
}

func (d directory) People(ctx context.Context, h tenancy.Handle, subjects []string) (map[string]notify.Person, error) {
	out := map[string]notify.Person{}
	var members []string
	err := d.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if members, err = tx.MembersAmong(subjects); err != nil {
			return err
		}
		for _, id := range subjects {
			var p notify.Person
			var active bool
			switch {
			case idp.IsSubject(id):
				var u idp.User
				u, active, err = idp.Active(tx, id)
				p = notify.Person{Name: u.Name, Email: u.Email}
			case connect.IsSubject(id):
				p, active, err = profileUser(tx, id)
			}
			if err != nil {
				return err
			}
			if active {
				out[id] = p
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read people to be told: %w", err)
	}
	found, err := d.accounts.ByIDs(ctx, members)
	for id, a := range found {
		out[id] = notify.Person{Name: a.Name, Email: a.Email}
	}
	return out, err
}

// profileUser gives a user of a profile (pu_…); false for one who is gone or blocked.
func profileUser(tx *tenancy.Tx, id string) (notify.Person, bool, error) {
	found, err := connect.Users(tx, []string{id})
	u, known := found[id]
	return notify.Person{Name: u.Name, Email: u.Email}, known && u.BlockedAt == nil, err
}

func (d directory) Origin(ctx context.Context, h tenancy.Handle) (origin string, err error) {
	err = d.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		t, err := workspaces.Load(tx)
		if err != nil {
			return err
		}
		if len(t.Origins) == 0 {
			return fmt.Errorf("workspace %s has no origin", t.ID)
		}
		origin = t.Origins[0]
		return nil
	})
	return origin, err
}

// newNotify makes the sender of alerts; without a mail server it keeps mail back.
func (g *gateway) newNotify(people *accounts.Accounts, out outbound.Config) (*notify.Notify, error) {
	cfg := notify.Config{
		DB: g.db, Outbound: out, Console: g.cfg.PublicURL, Log: g.log,
		Directory: directory{db: g.db, accounts: people},
	}
	if g.cfg.Mail != nil {
		sender, err := mail.New(mail.Config{Server: *g.cfg.Mail, From: g.cfg.MailFrom, Clock: g.db.Clock()})
		if err != nil {
			return nil, configError{fmt.Errorf("EMCY_MAIL_FROM: %w", err)}
		}
		cfg.Mail = sender
	}
	return notify.New(cfg)
}
