package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/tenancy"
)

// Key states. A next key is published before it signs; a retired one is published
// as long as tokens that it signed may live.
const (
	keyActive = "active"
)

type keyRow struct {
	TenantID  string
	KID       string `gorm:"column:kid"`
	Alg       string
	PublicJWK string `gorm:"column:public_jwk"`
	Private   []byte
	State     string
	CreatedAt time.Time
}

func (keyRow) TableName() string { return "signing_keys" }

// CreateKey gives a new tenant its first signing key (ES256; the kid is the RFC
// 7638 thumbprint).
func CreateKey(tx *tenancy.Tx) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256), Use: "sig"}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return fmt.Errorf("name signing key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	public, err := json.Marshal(jwk)
	if err != nil {
		return fmt.Errorf("encode signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode signing key: %w", err)
	}
	private, err := tx.Seal("signing_keys", "private", jwk.KeyID, der)
	if err != nil {
		return err
	}
	row := keyRow{TenantID: tx.Tenant(), KID: jwk.KeyID, Alg: string(jose.ES256), PublicJWK: string(public), Private: private, State: keyActive, CreatedAt: tx.Now()}
	return tx.DB().Create(&row).Error
}

// Keys are a tenant's signing keys.
type Keys struct {
	Public    []jose.JSONWebKey
	ActiveKID string
	Active    *ecdsa.PrivateKey
}

// LoadKeys reads a tenant's keys and opens the active one.
func LoadKeys(tx *tenancy.Tx) (Keys, error) {
	var rows []keyRow
	if err := tx.DB().Order("created_at, kid").Find(&rows).Error; err != nil {
		return Keys{}, fmt.Errorf("load signing keys: %w", err)
	}
	var keys Keys
	for _, row := range rows {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal([]byte(row.PublicJWK), &jwk); err != nil {
			return Keys{}, fmt.Errorf("read signing key %s: %w", row.KID, err)
		}
		keys.Public = append(keys.Public, jwk)
		if row.State != keyActive {
			continue
		}
		private, err := openKey(tx, row)
		if err != nil {
			return Keys{}, err
		}
		keys.ActiveKID, keys.Active = row.KID, private
	}
	if keys.Active == nil {
		return Keys{}, errors.New("the tenant has no active signing key")
	}
	return keys, nil
}

func openKey(tx *tenancy.Tx, row keyRow) (*ecdsa.PrivateKey, error) {
	der, err := tx.Open("signing_keys", "private", row.KID, row.Private)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", row.KID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", row.KID, err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is not ECDSA", row.KID)
	}
	return private, nil
}
