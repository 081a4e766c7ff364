package trace

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Prefix begins every trace id.
const Prefix = "tra"

type traceRow struct {
	TenantID       string
	ID             string
	UpstreamID     string
	ClientID       string
	ClientName     string
	Subject        string
	FamilyID       string
	Network        string
	UserAgent      string
	BrowserNetwork string
	State          string
	Reached        string
	FailedStep     string
	FailedCode     string
	CreatedAt      time.Time
	UpdatedAt      time.Time `gorm:"autoUpdateTime:false"`
	IssuedAt       *time.Time
	FirstCallAt    *time.Time
}

func (traceRow) TableName() string { return "traces" }

type stepRow struct {
	TenantID string
	TraceID  string
	ID       string
	At       time.Time
	Step     string
	OK       bool `gorm:"column:ok"`
	Code     string
	ClientID string
	Asked    string
	Answered string
}

func (stepRow) TableName() string { return "trace_steps" }

type lockRow struct {
	TenantID string
	Taken    int64
}

func (lockRow) TableName() string { return "trace_locks" }

// What other packages' rows tell of an attempt: their trace, and nothing else.
type (
	attemptRow struct{ TenantID, ID, TraceID string }
	familyRow  struct {
		TenantID, ID, TraceID, UpstreamID, ClientID, Subject string
		CreatedAt                                            time.Time
	}
	codeRow   struct{ TenantID, Hash, FamilyID string }
	deviceRow struct{ TenantID, Hash, TraceID string }
)

func (attemptRow) TableName() string { return "attempts" }
func (familyRow) TableName() string  { return "token_families" }
func (codeRow) TableName() string    { return "codes" }
func (deviceRow) TableName() string  { return "device_codes" }

// lock makes the tenant's trace writers take turns, over all nodes: of two that ask
// whether an attempt is known, the second has to see what the first one wrote.
func lock(tx *tenancy.Tx) error {
	count := func() (int64, error) {
		res := tx.DB().Model(&lockRow{}).Where("taken >= 0").Update("taken", gorm.Expr("taken + 1"))
		return res.RowsAffected, res.Error
	}
	n, err := count()
	if err != nil || n > 0 {
		return err
	}
	if err := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&lockRow{TenantID: tx.Tenant()}).Error; err != nil {
		return err
	}
	_, err = count()
	return err
}

const (
	// maxSteps bounds a trace, maxSame how often a step that anybody can send stands in it.
	maxSteps = 64
	maxSame  = 4
)

// add stores steps of one trace and judges it anew.
func add(tx *tenancy.Tx, row *traceRow, events []Event) error {
	var steps []stepRow
	if err := tx.DB().Where("trace_id = ?", row.ID).Find(&steps).Error; err != nil {
		return fmt.Errorf("read steps: %w", err)
	}
	var fresh []stepRow
	for _, e := range events {
		learn(row, e)
		if !room(steps, e) {
			continue
		}
		s := stepRow{
			TenantID: tx.Tenant(), TraceID: row.ID, ID: ids.NewAt("stp", e.At), At: e.At.UTC(), Step: string(e.Step), OK: e.OK,
			Code: capped(e.Code, maxShort), ClientID: e.ClientID, Asked: encode(e.Asked), Answered: encode(e.Answered),
		}
		steps, fresh = append(steps, s), append(fresh, s)
	}
	if len(fresh) > 0 {
		if err := tx.DB().Create(&fresh).Error; err != nil {
			return fmt.Errorf("store steps: %w", err)
		}
	}
	return rejudge(tx, row, steps)
}

func rejudge(tx *tenancy.Tx, row *traceRow, steps []stepRow) error {
	v := judge(steps)
	row.State, row.Reached, row.FailedStep, row.FailedCode = string(v.state), string(v.reached), string(v.failed), v.code
	row.IssuedAt, row.FirstCallAt = v.issuedAt, v.firstCalAt
	err := tx.DB().Model(&traceRow{}).Where("id = ?", row.ID).Select("*").Omit("tenant_id", "id", "created_at").Updates(row).Error
	if err != nil {
		return fmt.Errorf("store trace: %w", err)
	}
	return nil
}

// learn puts what a step tells onto the trace. What is known stays: the first client
// name is the attempt's, and only a later client id replaces an earlier one.
func learn(row *traceRow, e Event) {
	keep := func(have *string, told string) {
		if *have == "" {
			*have = told
		}
	}
	keep(&row.UpstreamID, e.UpstreamID)
	keep(&row.ClientName, capped(e.ClientName, maxName))
	keep(&row.Subject, e.Subject)
	keep(&row.FamilyID, e.FamilyID)
	if e.ClientID != "" {
		row.ClientID = e.ClientID
	}
	if e.At.After(row.UpdatedAt) {
		row.UpdatedAt = e.At.UTC()
	}
}

func room(steps []stepRow, e Event) bool {
	same := 0
	for _, s := range steps {
		if s.Step == string(e.Step) && s.OK == e.OK {
			same++
		}
	}
	if rank(e.Step) >= rank(Token) {
		return same < maxSame // a trace that is full still learns that the client connected
	}
	return len(steps) < maxSteps && same < maxSame
}

func encode(m Message) string {
	b, err := json.Marshal(m)
	if err != nil {
		return "{}" // texts always marshal
	}
	return string(b)
}

func decode(text string) Message {
	var m Message
	_ = json.Unmarshal([]byte(text), &m) // what we wrote; an empty message otherwise
	return m
}
