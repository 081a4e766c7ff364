package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Mode says which clients are let in that nobody registered by hand.
type Mode string

// The modes. Known, Any and Report are of metadata documents, On, Loopback and
// Listed of dynamic registration; Off is of both.
const (
	Known    Mode = "known"
	Any      Mode = "any"
	Report   Mode = "report" // let in, and only noted what Known would have refused
	On       Mode = "on"
	Loopback Mode = "loopback"
	Listed   Mode = "listed"
	Off      Mode = "off"
)

// Option is a protection that clients may or must use.
type Option string

// The options.
const (
	Never    Option = "off"
	Optional Option = "optional"
	Required Option = "required"
)

// Signing algorithms (RFC 7518, section 3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
)

// Bounds of the life times.
const (
	ShortestAccess = 5 * time.Minute
	LongestAccess  = 24 * time.Hour
	ShortestIdle   = time.Hour
	LongestIdle    = 365 * 24 * time.Hour
	LongestFamily  = 3650 * 24 * time.Hour
	maxHosts       = 50
)

// Settings are a tenant's.
type Settings struct {
	CIMD Mode
	DCR  Mode
	// DCRHosts are the redirect hosts of DCR's mode Listed, in lower case.
	DCRHosts []string
	// Review holds a new client until somebody lets it in.
	Review bool
	// Access is how long an access token lives, RefreshIdle how long a refresh token
	// may lie unused, Family how long both can be renewed, whatever happens.
	Access, RefreshIdle, Family time.Duration
	DPoP, PAR                   Option
	ClientCredentials, Device   bool
	RememberConsent             bool
	// SigningAlg is ES256 or RS256, for the keys made from now on.
	SigningAlg string
	// Version is zero where nothing was ever saved.
	Version int64
}

// Defaults are the settings of a tenant that never saved any.
func Defaults() Settings {
	return Settings{
		CIMD: Any, DCR: On, Access: time.Hour, RefreshIdle: 30 * 24 * time.Hour, Family: 90 * 24 * time.Hour,
		DPoP: Optional, PAR: Optional, SigningAlg: ES256,
	}
}

// Load reads the tenant's settings.
func Load(tx *tenancy.Tx) (Settings, error) {
	var rows []row
	if err := tx.DB().Limit(1).Find(&rows).Error; err != nil {
		return Settings{}, fmt.Errorf("read authorization settings: %w", err)
	}
	if len(rows) == 0 {
		return Defaults(), nil
	}
	return rows[0].settings()
}

// Save stores them. Version must be the one that was loaded: errs.Stale says that
// somebody else saved meanwhile, errs.Invalid carries a message per field.
func Save(tx *tenancy.Tx, s Settings) error {
	s.DCRHosts = slices.Clone(s.DCRHosts)
	for i, host := range s.DCRHosts {
		s.DCRHosts[i] = strings.ToLower(strings.TrimSpace(host))
	}
	if err := s.validate(); err != nil {
		return err
	}
	before, err := Load(tx)
	if err != nil {
		return err
	}
	next, err := newRow(tx, s)
	if err != nil {
		return err
	}
	if err := next.store(tx, s.Version); err != nil {
		return err
	}
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	return audit.Record(tx, audit.Entry{Action: "auth_settings.update", TargetKind: "auth_settings", TargetID: tx.Tenant(), Before: before.shown(), After: s.shown()})
}

func (s Settings) validate() error {
	wrong := map[string]string{}
	check := func(ok bool, field, message string) {
		if _, told := wrong[field]; !ok && !told {
			wrong[field] = message
		}
	}
	check(slices.Contains([]Mode{Known, Any, Report, Off}, s.CIMD), "cimd", "Choose known, any, report or off.")
	check(slices.Contains([]Mode{On, Loopback, Listed, Off}, s.DCR), "dcr", "Choose on, loopback, listed or off.")
	check(s.DCR != Listed || len(s.DCRHosts) > 0, "dcr_hosts", "List at least one host, or choose another mode.")
	check(len(s.DCRHosts) <= maxHosts, "dcr_hosts", fmt.Sprintf("List at most %d hosts.", maxHosts))
	for _, host := range s.DCRHosts {
		check(isHost(host), "dcr_hosts", "“"+host+"” is no host name: write it as in app.example.com, without https:// and without a path.")
	}
	check(s.Access >= ShortestAccess && s.Access <= LongestAccess, "access", "Choose from 5 minutes to 24 hours.")
	check(s.RefreshIdle >= ShortestIdle && s.RefreshIdle <= LongestIdle, "refresh_idle", "Choose from 1 hour to 365 days.")
	check(s.Family <= LongestFamily, "family", "Choose at most 3650 days.")
	check(s.Family >= s.RefreshIdle, "family", "This cannot be shorter than the time for which a sign-in may lie unused.")
	check(s.Family >= s.Access, "family", "This cannot be shorter than an access token's life.")
	for field, option := range map[string]Option{"dpop": s.DPoP, "par": s.PAR} {
		check(slices.Contains([]Option{Never, Optional, Required}, option), field, "Choose off, optional or required.")
	}
	check(s.SigningAlg == ES256 || s.SigningAlg == RS256, "signing_alg", "Choose ES256 or RS256.")
	return errs.Fields(wrong)
}

// isHost accepts DNS names and IPv4 addresses (RFC 1123, section 2.1).
func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// shown is what the audit log keeps.
func (s Settings) shown() map[string]any {
	out := map[string]any{
		"cimd": s.CIMD, "dcr": s.DCR, "review": s.Review, "access": s.Access.String(), "refresh_idle": s.RefreshIdle.String(), "family": s.Family.String(),
		"dpop": s.DPoP, "par": s.PAR, "client_credentials": s.ClientCredentials, "device": s.Device, "remember_consent": s.RememberConsent, "signing_alg": s.SigningAlg,
	}
	if len(s.DCRHosts) > 0 {
		out["dcr_hosts"] = s.DCRHosts
	}
	return out
}
