package clients

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// lookalikes are letters of other scripts, and digits, that are read as Latin ones. It is
// what a name is written with to deceive, not the whole of UTS 39.
var lookalikes = strings.NewReplacer(
	"а", "a", "в", "b", "с", "c", "ԁ", "d", "е", "e", "һ", "h", "і", "i", "ј", "j", "к", "k", "ӏ", "l", "м", "m", "н", "h", "о", "o", "р", "p", "ԛ", "q", "ѕ", "s", "т", "t", "у", "y", "ѵ", "v", "ԝ", "w", "х", "x",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "i", "κ", "k", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "γ", "y", "ω", "w",
	"ı", "i", "ł", "l", "ø", "o", "đ", "d", "ħ", "h", "ɡ", "g", "ɑ", "a", "ս", "u", "օ", "o", "ց", "g", "հ", "h", "ո", "n",
	"0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "$", "s", "@", "a", "|", "l",
)

// skeleton is a name as the eye takes it: one spelling for all that look alike.
func skeleton(name string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1 // an accent
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	plain = lookalikes.Replace(plain)
	// l and I are one shape, and so are rn and m, vv and w.
	plain = strings.NewReplacer("i", "l", "rn", "m", "vv", "w").Replace(plain)
	return strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// impersonates gives the brand that a name claims without being answered at its vendor's
// addresses, "" where it claims none. Loopback says nothing about whose a client is: that
// has a warning of its own.
func (c *catalogue) impersonates(name string, redirects []string) string {
	said := skeleton(name)
	if len(said) == 0 {
		return ""
	}
	for i := range c.Vendors {
		v := &c.Vendors[i]
		if brand := v.claimed(said); brand != "" && slices.ContainsFunc(redirects, v.foreign) {
			return brand
		}
	}
	return ""
}

// claimed is the brand or client name that the words are, or hold.
func (v *vendor) claimed(said []string) string {
	whole := strings.Join(said, "")
	for _, k := range v.Clients {
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			if whole == strings.Join(skeleton(name), "") {
				return k.Name
			}
		}
	}
	for _, brand := range v.Brands {
		if b := strings.Join(skeleton(brand), ""); slices.Contains(said, b) || whole == b || strings.HasPrefix(whole, b) {
			return brand
		}
	}
	return ""
}

// foreign tells a redirect URI that is neither the vendor's nor on this machine.
func (v *vendor) foreign(uri string) bool {
	u, ok := parseRedirect(uri)
	switch {
	case !ok:
		return true
	case u.Scheme == "http":
		return false // registered ones are on loopback
	case u.Scheme == "https":
		return !slices.Contains(v.Hosts, strings.ToLower(u.Hostname()))
	}
	return !slices.Contains(v.Schemes, u.Scheme)
}
