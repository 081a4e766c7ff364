package upstreams

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams/probe"
)

const table = "upstreams"

type upstreamRow struct {
	TenantID           string
	ID                 string
	Slug               string
	Name               string
	URL                string `gorm:"column:url"`
	SecretHeader       string
	Contract           string
	Headers            []byte
	WorkerSecret       []byte
	PreviousSecret     []byte
	PreviousUntil      *time.Time
	SecretVisibleUntil *time.Time
	State              string
	Report             string
	ProbedAt           *time.Time
	Version            int64
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

func (upstreamRow) TableName() string { return table }

func bySlug(tx *tenancy.Tx, slug string) (upstreamRow, error) {
	if !slugPattern.MatchString(slug) {
		return upstreamRow{}, gorm.ErrRecordNotFound // the slug is from a URL; PostgreSQL refuses some bytes outright
	}
	var row upstreamRow
	err := tx.DB().Where("slug = ?", slug).First(&row).Error
	return row, err
}

// lockBySlug is bySlug for a change: what is computed from the row holds until the
// transaction ends.
func lockBySlug(tx *tenancy.Tx, slug string) (upstreamRow, error) {
	if !slugPattern.MatchString(slug) {
		return upstreamRow{}, gorm.ErrRecordNotFound
	}
	var row upstreamRow
	err := tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("slug = ?", slug).First(&row).Error
	return row, err
}

type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// lockTenant makes the transactions take turns that count a tenant's rows. Foreign
// keys to the tenant go on being checked meanwhile.
func lockTenant(tx *tenancy.Tx) error {
	var row tenantRow
	return tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", tx.Tenant()).First(&row).Error
}

func byID(tx *tenancy.Tx, id string) (upstreamRow, error) {
	var row upstreamRow
	err := tx.DB().Where("id = ?", id).First(&row).Error
	return row, err
}

// lockByID is byID for a probe's begin and end. Both take the runtime before what hangs on it, so that neither waits for
// the other in a circle. A runtime that is gone is the zero row.
func lockByID(tx *tenancy.Tx, id string) (upstreamRow, error) {
	var rows []upstreamRow
	err := tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", id).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return upstreamRow{}, err
	}
	return rows[0], nil
}

// headers opens the static headers of a row, in the order of their names.
func (r upstreamRow) headers(tx *tenancy.Tx) ([]Header, error) {
	plain, err := tx.Open(table, "headers", r.ID, r.Headers)
	if err != nil {
		return nil, fmt.Errorf("open headers of %s: %w", r.ID, err)
	}
	if plain == nil {
		return nil, nil
	}
	var stored map[string]string
	if err := json.Unmarshal(plain, &stored); err != nil {
		return nil, fmt.Errorf("read headers of %s: %w", r.ID, err)
	}
	out := make([]Header, 0, len(stored))
	for name, value := range stored {
		out = append(out, Header{Name: name, Value: secret.New(value)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

func sealHeaders(tx *tenancy.Tx, id string, headers []Header) ([]byte, error) {
	if len(headers) == 0 {
		return nil, nil
	}
	stored := map[string]string{}
	for _, h := range headers {
		stored[h.Name] = h.Value.Reveal()
	}
	plain, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode headers: %w", err)
	}
	return tx.Seal(table, "headers", id, plain)
}

// workerSecret opens the newest secret.
func (r upstreamRow) workerSecret(tx *tenancy.Tx) (secret.Text, error) {
	plain, err := tx.Open(table, "worker_secret", r.ID, r.WorkerSecret)
	if err != nil {
		return secret.Text{}, fmt.Errorf("open worker secret of %s: %w", r.ID, err)
	}
	return secret.New(string(plain)), nil
}

func (r upstreamRow) previousSecret(tx *tenancy.Tx) (secret.Text, error) {
	plain, err := tx.Open(table, "previous_secret", r.ID, r.PreviousSecret)
	if err != nil {
		return secret.Text{}, fmt.Errorf("open previous worker secret of %s: %w", r.ID, err)
	}
	return secret.New(string(plain)), nil
}

// upstream is the row for the console, without any secret.
func (r upstreamRow) upstream(tx *tenancy.Tx) (Upstream, error) {
	headers, err := r.headers(tx)
	if err != nil {
		return Upstream{}, err
	}
	contract, err := r.contract()
	if err != nil {
		return Upstream{}, err
	}
	u := Upstream{
		ID: r.ID, Slug: r.Slug, Name: r.Name, URL: r.URL, SecretHeader: r.SecretHeader, Contract: contract, State: State(r.State),
		Version: r.Version, CreatedAt: r.CreatedAt, ProbedAt: r.ProbedAt,
		Rotating: r.rotating(tx.Now()),
	}
	if u.Rotating {
		u.RotatesUntil = r.PreviousUntil
	}
	for _, h := range headers {
		u.HeaderNames = append(u.HeaderNames, h.Name)
	}
	if r.Report != "" {
		var report probe.Report
		if err := json.Unmarshal([]byte(r.Report), &report); err != nil {
			return Upstream{}, fmt.Errorf("read report of %s: %w", r.ID, err)
		}
		// A report from before there was a snapshot has the tools in it.
		report = report.WithoutTools()
		u.Report = &report
	}
	return u, nil
}

// Load reads every upstream of the transaction's tenant with its secrets opened,
// for the edge's snapshot.
func Load(tx *tenancy.Tx) ([]Configured, error) {
	var rows []upstreamRow
	if err := tx.DB().Order("slug").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load upstreams: %w", err)
	}
	out := make([]Configured, 0, len(rows))
	for _, r := range rows {
		c := Configured{ID: r.ID, Slug: r.Slug, Name: r.Name, URL: r.URL}
		var err error
		if c.Contract, err = r.contract(); err != nil {
			return nil, err
		}
		if c.Headers, err = r.headers(tx); err != nil {
			return nil, err
		}
		if c.WorkerSecret, err = r.sending(tx); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// sending is the secret that the edge uses now. While a rotation is open the
// runtime may not have the new one yet, so the old one goes on being sent until a
// probe has seen the new one accepted; the adapters accept both.
func (r upstreamRow) sending(tx *tenancy.Tx) (secret.Text, error) {
	if r.rotating(tx.Now()) {
		return r.previousSecret(tx)
	}
	return r.workerSecret(tx)
}

// rotating reports whether a newer secret waits for the runtime to know it.
func (r upstreamRow) rotating(now time.Time) bool {
	return r.PreviousSecret != nil && r.PreviousUntil != nil && now.Before(*r.PreviousUntil)
}

func headerNames(headers []Header) string {
	names := make([]string, len(headers))
	for i, h := range headers {
		names[i] = h.Name
	}
	return strings.Join(names, ", ")
}
