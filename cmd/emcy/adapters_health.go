package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
)

// namesAtOnce bounds the people that one query names.
const namesAtOnce = 500

// endUsers names people for the console, whatever they sign in with.
type endUsers struct {
	db       *tenancy.DB
	accounts *accounts.Accounts
	// profileUser gives a user of a profile (pu_…); false for one who is gone or blocked.
	profileUser func(tx *tenancy.Tx, id string) (notify.Person, bool, error)
}

func (e endUsers) Named(ctx context.Context, h tenancy.Handle, subjects []string) (map[string]notify.Person, error) {
	out := map[string]notify.Person{}
	var members, users []string
	for _, id := range subjects {
		switch {
		case idp.IsSubject(id):
			users = append(users, id)
		case !strings.HasPrefix(id, profileUserPrefix):
			members = append(members, id)
		}
	}
	err := e.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		for chunk := range slices.Chunk(users, namesAtOnce) {
			found, err := idp.Named(tx, chunk)
			if err != nil {
				return err
			}
			for id, u := range found {
				out[id] = notify.Person{Name: u.Name, Email: u.Email}
			}
		}
		for _, id := range subjects {
			if e.profileUser == nil || !strings.HasPrefix(id, profileUserPrefix) {
				continue
			}
			who, _, err := e.profileUser(tx, id)
			if err != nil {
				return err
			}
			if who != (notify.Person{}) {
				out[id] = who
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("name end users: %w", err)
	}
	for chunk := range slices.Chunk(members, namesAtOnce) {
		found, err := e.accounts.ByIDs(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for id, a := range found {
			out[id] = notify.Person{Name: a.Name, Email: a.Email}
		}
	}
	return out, nil
}

// profileUserPrefix begins the ids of people who sign in through a profile's provider.
const profileUserPrefix = "pu_"

// Find looks through end users in the database, and through the other people who have
// a grant by their names. Those who sign in through a profile have the name of the
// account that they connect there, by which the list is searched anyway.
func (e endUsers) Find(ctx context.Context, h tenancy.Handle, text string, limit int) ([]string, error) {
	var out, subjects []string
	err := e.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		users, _, err := idp.Users(tx, idp.Page{Search: text, Limit: limit})
		if err != nil {
			return err
		}
		for _, u := range users {
			out = append(out, u.ID)
		}
		subjects, err = grants.Subjects(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find people: %w", err)
	}
	subjects = slices.DeleteFunc(subjects, func(id string) bool { return idp.IsSubject(id) || strings.HasPrefix(id, profileUserPrefix) })
	text = strings.ToLower(text)
	for chunk := range slices.Chunk(subjects, namesAtOnce) {
		found, err := e.accounts.ByIDs(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for id, a := range found {
			if strings.Contains(strings.ToLower(a.Name), text) || strings.Contains(strings.ToLower(a.Email), text) {
				out = append(out, id)
			}
		}
	}
	return out[:min(len(out), limit)], nil
}
