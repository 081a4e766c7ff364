package clients

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:embed known.json
var knownJSON []byte

// Known is an identity of the catalogue that a client has proven: by the address of its
// document, or by being answered at its vendor's addresses only.
type Known struct {
	Name   string // as it is shown: "Claude Code"
	Vendor string
	Source string // where the catalogue has it from
	Seen   string // the day, as YYYY-MM-DD
}

// catalogue is the data of known.json: whose names are worth protecting, and how the
// real ones are told.
type catalogue struct {
	Date    string   `json:"date"`
	Vendors []vendor `json:"vendors"`
}

type vendor struct {
	Name    string        `json:"name"`
	Hosts   []string      `json:"hosts"`   // whole redirect hosts that are the vendor's
	Schemes []string      `json:"schemes"` // private-use schemes that are the vendor's
	Brands  []string      `json:"brands"`  // words that, anywhere in a name, claim the brand
	Clients []knownClient `json:"clients"`
}

type knownClient struct {
	Name      string         `json:"name"`
	Aliases   []string       `json:"aliases"`
	Seen      string         `json:"seen"`
	Source    string         `json:"source"`
	IDs       []string       `json:"ids"`       // patterns, see matchPattern
	Redirects []string       `json:"redirects"` // patterns of https addresses
	Document  jsontext.Value `json:"document"`  // a copy, without client_id
}

// listed is the catalogue; a mistake in it is found by every test.
var listed = sync.OnceValue(func() *catalogue {
	var c catalogue
	if err := json.Unmarshal(knownJSON, &c); err != nil {
		panic("known.json: " + err.Error())
	}
	return &c
})

// identity is where a client stands in the catalogue.
type identity struct {
	vendor *vendor
	client *knownClient
	id     string // what stood for {id} in its address
}

func (i *identity) known() *Known {
	if i == nil {
		return nil
	}
	return &Known{Name: i.client.Name, Vendor: i.vendor.Name, Source: i.client.Source, Seen: i.client.Seen}
}

// each goes through the clients until fn says to stop.
func (c *catalogue) each(fn func(v *vendor, k *knownClient) (stop bool)) {
	for i := range c.Vendors {
		for j := range c.Vendors[i].Clients {
			if fn(&c.Vendors[i], &c.Vendors[i].Clients[j]) {
				return
			}
		}
	}
}

// byDocument finds the client whose document has that address, a whole address before a
// pattern that it also fits.
func (c *catalogue) byDocument(id string) (found *identity) {
	c.each(func(v *vendor, k *knownClient) bool {
		for _, pattern := range k.IDs {
			if part, ok := matchPattern(pattern, id); ok {
				found = &identity{v, k, part}
			}
			if pattern == id {
				return true
			}
		}
		return false
	})
	return found
}

// byRedirects finds the client that all of the redirect URIs belong to: whoever sent the
// registration, the codes can reach nobody but that vendor.
func (c *catalogue) byRedirects(uris []string) (found *identity) {
	if len(uris) == 0 {
		return nil
	}
	c.each(func(v *vendor, k *knownClient) bool {
		for _, uri := range uris {
			if !slices.ContainsFunc(k.Redirects, func(pattern string) bool { _, ok := matchPattern(pattern, uri); return ok }) {
				return false
			}
		}
		found = &identity{vendor: v, client: k}
		return true
	})
	return found
}

const maxPatternPart = 128

// matchPattern compares a URL with a pattern, in which {id} stands for one path segment of
// letters, digits, - and _. Everything else is compared byte for byte.
func matchPattern(pattern, url string) (part string, ok bool) {
	before, after, wild := strings.Cut(pattern, "{id}")
	if !wild {
		return "", pattern == url
	}
	rest, ok := strings.CutPrefix(url, before)
	if !ok {
		return "", false
	}
	part, ok = strings.CutSuffix(rest, after)
	if !ok || part == "" || len(part) > maxPatternPart || strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", false
	}
	return part, true
}

// copyOf is the catalogue's copy of the client's document, nil where there is none.
func (i *identity) copyOf(id string) []byte {
	if i == nil || !present(i.client.Document) {
		return nil
	}
	filled := strings.ReplaceAll(string(i.client.Document), "{id}", i.id)
	quoted, err := jsontext.AppendQuote(nil, id)
	if err != nil {
		return nil // an id that was fetched or matched is text
	}
	return append(append([]byte(`{"client_id":`), quoted...), append([]byte(","), strings.TrimPrefix(strings.TrimSpace(filled), "{")...)...)
}

// drift says where a document and the catalogue's copy of it differ in what matters.
func (i *identity) drift(id string, raw []byte) string {
	var ours, theirs document
	copied := i.copyOf(id)
	if copied == nil || json.Unmarshal(copied, &ours) != nil || json.Unmarshal(raw, &theirs) != nil {
		return ""
	}
	slices.Sort(ours.RedirectURIs)
	slices.Sort(theirs.RedirectURIs)
	if slices.Equal(ours.RedirectURIs, theirs.RedirectURIs) && ours.TokenEndpointAuthMethod == theirs.TokenEndpointAuthMethod && ours.JWKSURI == theirs.JWKSURI {
		return ""
	}
	return "its document differs from the copy of " + i.client.Seen
}
