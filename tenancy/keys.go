package tenancy

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/seal"
)

// keyring keeps opened data keys. They are few and small; a tenant's key stays
// until the process ends.
type keyring struct {
	kek  *seal.KEK
	mu   sync.RWMutex
	open map[string]*tenantKeys
}

type tenantKeys struct {
	active   *seal.Key
	versions map[uint32]*seal.Key
	// envelopes are made once per purpose: who keeps what came out of one can ask
	// whether it is still the same.
	mu        sync.Mutex
	envelopes map[string]*seal.Envelope
}

type tenantKeyRow struct {
	TenantID  string
	Version   uint32
	Wrapped   []byte
	KekID     string
	State     string
	CreatedAt time.Time
}

func (tenantKeyRow) TableName() string { return "tenant_keys" }

func newKeyring(kek *seal.KEK) *keyring {
	return &keyring{kek: kek, open: map[string]*tenantKeys{}}
}

// known are a tenant's keys where they were opened before, else nil.
func (k *keyring) known(tenant string) *tenantKeys {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.open[tenant]
}

func (k *keyring) of(tx *Tx) (*tenantKeys, error) {
	keys := k.known(tx.Tenant())
	if keys != nil {
		return keys, nil
	}
	var rows []tenantKeyRow
	if err := tx.DB().Order("version").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read data keys: %w", err)
	}
	keys = &tenantKeys{versions: map[uint32]*seal.Key{}, envelopes: map[string]*seal.Envelope{}}
	for _, row := range rows {
		key, err := k.kek.Unwrap(tx.Tenant(), row.Version, row.Wrapped)
		if err != nil {
			return nil, fmt.Errorf("unwrap data key %d: %w", row.Version, err)
		}
		keys.versions[row.Version] = key
		if row.State == "active" {
			keys.active = key
		}
	}
	if keys.active == nil {
		return nil, fmt.Errorf("tenant %s has no data key", tx.Tenant())
	}
	k.mu.Lock()
	k.open[tx.Tenant()] = keys
	k.mu.Unlock()
	return keys, nil
}

// createKey gives a new tenant its first data key. It is not put into the ring:
// the transaction may still roll back.
func createKey(tx *Tx, kek *seal.KEK, tenant string) error {
	_, wrapped, err := kek.WrapNew(tenant, 1)
	if err != nil {
		return fmt.Errorf("make data key: %w", err)
	}
	row := tenantKeyRow{TenantID: tenant, Version: 1, Wrapped: wrapped, KekID: kek.ID(), State: "active", CreatedAt: tx.Now()}
	return tx.DB().Create(&row).Error
}

// Seal encrypts a value for one field of one row of the transaction's tenant.
// A nil or empty value seals to nil.
func (tx *Tx) Seal(table, column, row string, plaintext []byte) ([]byte, error) {
	if len(plaintext) == 0 {
		return nil, nil
	}
	keys, err := tx.db.keys.of(tx)
	if err != nil {
		return nil, err
	}
	return keys.active.Seal(seal.Place{Tenant: tx.Tenant(), Table: table, Column: column, Row: row}, plaintext), nil
}

// Open decrypts a value sealed for that field. Nil opens to nil.
func (tx *Tx) Open(table, column, row string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	keys, err := tx.db.keys.of(tx)
	if err != nil {
		return nil, err
	}
	version, err := seal.VersionOf(sealed)
	if err != nil {
		return nil, err
	}
	key := keys.versions[version]
	if key == nil {
		return nil, fmt.Errorf("data key %d is gone: %w", version, seal.ErrOpen)
	}
	return key.Open(seal.Place{Tenant: tx.Tenant(), Table: table, Column: column, Row: row}, sealed)
}

// MAC is a tenant-keyed MAC over a label and parts.
func (tx *Tx) MAC(label string, parts ...string) ([32]byte, error) {
	keys, err := tx.db.keys.of(tx)
	if err != nil {
		return [32]byte{}, err
	}
	return keys.active.MAC(label, parts...), nil
}

// Envelope seals values that leave the house and come back, for one purpose, under
// keys derived from the tenant's data keys. It outlives the transaction.
func (tx *Tx) Envelope(purpose string) (*seal.Envelope, error) {
	keys, err := tx.db.keys.of(tx)
	if err != nil {
		return nil, err
	}
	return keys.envelope(purpose)
}

func (k *tenantKeys) envelope(purpose string) (*seal.Envelope, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.envelopes[purpose]; e != nil {
		return e, nil
	}
	e, err := seal.NewEnvelope(purpose, k.active, slices.Collect(maps.Values(k.versions))...)
	if err != nil {
		return nil, err
	}
	k.envelopes[purpose] = e
	return e, nil
}
