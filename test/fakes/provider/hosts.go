package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// authority is a certificate for the vendor's hosts, which is its own authority.
type authority struct {
	hosts []string
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
}

func newAuthority(hosts []string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake provider"}, DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &authority{hosts, cert, key}, nil
}

func (a *authority) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}}}
}

// ConnectTo says where the vendor's hosts are really dialled, for VendorHosts.
func (p *Provider) ConnectTo() map[string]string {
	out := map[string]string{}
	for _, host := range p.pool.hosts {
		out[host+":443"] = p.server.Listener.Addr().String()
	}
	return out
}

// RootCAs trusts the certificate of VendorHosts.
func (p *Provider) RootCAs() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.pool.cert)
	return pool
}
