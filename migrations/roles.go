package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// roles are what every transaction of the gate takes: one tenant's, or the system's.
var roles = []string{"emcy_app", "emcy_system"}

// firstWithSet is the PostgreSQL version since which being a member of a role does
// not include the right to become it: who creates a role gets the one and has to
// grant itself the other.
const firstWithSet = 160000

// ensureRoles makes the roles where they are missing, and sees to it that the
// database user may take them. Both are a matter of the cluster, not of this
// database: another installation, or an administrator, may have made them before.
func ensureRoles(ctx context.Context, conn *pgx.Conn) error {
	var version int
	if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int").Scan(&version); err != nil {
		return fmt.Errorf("read server version: %w", err)
	}
	right := "member"
	if version >= firstWithSet {
		right = "set"
	}
	for _, role := range roles {
		if err := ensureRole(ctx, conn, role, right); err != nil {
			return err
		}
	}
	return nil
}

func ensureRole(ctx context.Context, conn *pgx.Conn, role, right string) error {
	var exists, mayTake bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&exists); err != nil {
		return fmt.Errorf("look for the role %s: %w", role, err)
	}
	if !exists {
		_, err := conn.Exec(ctx, "create role "+pgx.Identifier{role}.Sanitize()+" nologin")
		if err != nil && !madeMeanwhile(err) {
			return helpWithRole(role, err)
		}
	}
	if err := conn.QueryRow(ctx, "select pg_has_role(current_user, $1, $2)", role, right).Scan(&mayTake); err != nil {
		return fmt.Errorf("look for the right to take %s: %w", role, err)
	}
	if mayTake {
		return nil
	}
	if _, err := conn.Exec(ctx, "grant "+pgx.Identifier{role}.Sanitize()+" to current_user"); err != nil {
		return helpWithRole(role, err)
	}
	return nil
}

// madeMeanwhile: another database of the cluster is being set up at the same moment.
func madeMeanwhile(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "42710" || e.Code == "23505")
}

// helpWithRole says what an administrator has to do once.
func helpWithRole(role string, err error) error {
	return fmt.Errorf("the database user cannot make or take the role %s; as an administrator of the database server run once: "+
		"create role emcy_app nologin; create role emcy_system nologin; grant emcy_app, emcy_system to the user in EMCY_DATABASE_URL (%w)", role, err)
}
