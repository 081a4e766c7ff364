package tenancy

import (
	"errors"
	"fmt"
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// scope is what a transaction may touch.
type scope struct {
	tenant string
	system bool
}

func (s scope) role() string {
	if s.system {
		return "emcy_system"
	}
	return "emcy_app"
}

const scopeKey = "emcy:scope"

// tenantColumn names the column that holds the tenant. The tenants table is its own.
func tenantColumn(s *schema.Schema) *schema.Field {
	if s.Table == "tenants" {
		return s.LookUpField("id")
	}
	return s.LookUpField("tenant_id")
}

// scopePlugin puts the tenant on every statement that GORM builds, and refuses
// the ones it cannot scope. It is the only fence on SQLite, and the first of two
// on PostgreSQL.
type scopePlugin struct{}

func (scopePlugin) Name() string { return "emcy:scope" }

func (scopePlugin) Initialize(db *gorm.DB) error {
	cb := db.Callback()
	return errors.Join(
		cb.Query().Before("gorm:query").Register("emcy:scope", scopeRead),
		cb.Row().Before("gorm:row").Register("emcy:scope", scopeRead),
		cb.Raw().Before("gorm:raw").Register("emcy:scope", scopeRead),
		cb.Update().Before("gorm:before_update").Register("emcy:scope", scopeChange),
		cb.Delete().Before("gorm:before_delete").Register("emcy:scope", scopeChange),
		cb.Create().Before("gorm:before_create").Register("emcy:scope", scopeCreate),
	)
}

// scopeOf gives the tenant's column, or nil where nothing is to be added: in a
// system transaction, or after an error.
func scopeOf(db *gorm.DB) (scope, *schema.Field) {
	v, _ := db.Get(scopeKey)
	sc, ok := v.(scope)
	if !ok {
		_ = db.AddError(errors.New("statement outside the gate"))
		return scope{}, nil
	}
	if sc.system {
		return sc, nil
	}
	if db.Statement.SQL.Len() > 0 || db.Statement.Schema == nil {
		_ = db.AddError(errors.New("raw statement in a tenant's transaction: it cannot be scoped"))
		return sc, nil
	}
	field := tenantColumn(db.Statement.Schema)
	if field == nil {
		_ = db.AddError(fmt.Errorf("table %s has no tenant: it is not reachable from a tenant's transaction", db.Statement.Schema.Table))
	}
	return sc, field
}

func scopeRead(db *gorm.DB) {
	if sc, field := scopeOf(db); field != nil {
		addTenant(db, sc, field)
	}
}

func scopeChange(db *gorm.DB) {
	sc, field := scopeOf(db)
	if field == nil {
		return
	}
	// The tenant's filter would hide a forgotten one from GORM's own guard.
	if _, ok := db.Statement.Clauses["WHERE"]; !ok {
		_ = db.AddError(gorm.ErrMissingWhereClause)
		return
	}
	if changes, ok := db.Statement.Dest.(map[string]any); ok {
		if _, moves := changes[field.DBName]; moves {
			_ = db.AddError(errors.New("a row never changes its tenant"))
			return
		}
	}
	addTenant(db, sc, field)
}

// addTenant puts what the caller wrote into parentheses first: in
// "a OR b AND tenant" the OR would win.
func addTenant(db *gorm.DB, sc scope, field *schema.Field) {
	stmt := db.Statement
	if c, ok := stmt.Clauses["WHERE"]; ok {
		if where, ok := c.Expression.(clause.Where); ok && len(where.Exprs) > 0 {
			c.Expression = clause.Where{Exprs: []clause.Expression{clause.And(where.Exprs...)}}
			stmt.Clauses["WHERE"] = c
		}
	}
	stmt.AddClause(clause.Where{Exprs: []clause.Expression{
		clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: field.DBName}, Value: sc.tenant},
	}})
}

func scopeCreate(db *gorm.DB) {
	sc, field := scopeOf(db)
	if field == nil {
		return
	}
	rows := db.Statement.ReflectValue
	check := func(row reflect.Value) {
		v, _ := field.ValueOf(db.Statement.Context, reflect.Indirect(row))
		if v != sc.tenant {
			_ = db.AddError(fmt.Errorf("new row of %s names another tenant", db.Statement.Schema.Table))
		}
	}
	switch rows.Kind() { //nolint:exhaustive // a model is a struct or a list of them
	case reflect.Slice, reflect.Array:
		for i := range rows.Len() {
			check(rows.Index(i))
		}
	case reflect.Struct:
		check(rows)
	default:
		_ = db.AddError(fmt.Errorf("new row of %s is not a model", db.Statement.Schema.Table))
	}
}
