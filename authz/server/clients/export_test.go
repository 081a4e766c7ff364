package clients

import (
	"time"

	"github.com/go-json-experiment/json"
)

// SetEvenly shortens what a failed fetch takes at least.
func SetEvenly(c *Clients, d time.Duration) { c.evenly = d }

// AddVendor puts a vendor of the tests' own into the catalogue, before any test runs.
func AddVendor(raw string) error {
	var v vendor
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return err
	}
	listed().Vendors = append(listed().Vendors, v)
	return nil
}

// MaxUnused is how many clients a tenant has room for that nobody signed in with.
const MaxUnused = maxUnused
