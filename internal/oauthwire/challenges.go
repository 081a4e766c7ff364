package oauthwire

import (
	"net/http"
	"strings"
)

// SchemeWorker is the authentication scheme by which a runtime says that it refuses the gateway itself,
// its worker secret or assertion, and not the person that the gateway speaks for.
const SchemeWorker = "EmcyWorker"

// maxChallenges bounds what is read of one answer.
const maxChallenges = 16

// Received is one challenge of an answer's WWW-Authenticate (RFC 9110, section 11.6.1).
type Received struct {
	Scheme string
	// Params are the parameters by their lower-case names; the first of two counts.
	Params map[string]string
}

// Is compares the scheme, which has no case.
func (r Received) Is(scheme string) bool { return strings.EqualFold(r.Scheme, scheme) }

// Challenges reads the challenges of an answer. What cannot be read is left out: nothing that is let in
// depends on it.
func Challenges(h http.Header) []Received {
	var out []Received
	for _, field := range h["Www-Authenticate"] {
		fresh := true // a parameter before any scheme belongs to none
		for _, element := range elements(field) {
			name, rest, isParam := parameterOf(element)
			if !isParam {
				if len(out) == maxChallenges {
					return out
				}
				scheme, first, _ := strings.Cut(element, " ")
				if scheme == "" {
					continue
				}
				out, fresh = append(out, Received{Scheme: scheme, Params: map[string]string{}}), false
				if name, rest, isParam = parameterOf(strings.TrimSpace(first)); !isParam {
					continue
				}
			}
			if fresh {
				continue
			}
			if last := out[len(out)-1].Params; last[name] == "" {
				last[name] = rest
			}
		}
	}
	return out
}

// Find gives the first challenge of a scheme.
func Find(challenges []Received, scheme string) (Received, bool) {
	for _, c := range challenges {
		if c.Is(scheme) {
			return c, true
		}
	}
	return Received{}, false
}

// elements splits a list at its commas, those in quotes apart.
func elements(field string) []string {
	var out []string
	start, inQuotes := 0, false
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case inQuotes && c == '\\':
			i++
		case c == '"':
			inQuotes = !inQuotes
		case c == ',' && !inQuotes:
			out = append(out, strings.TrimSpace(field[start:i]))
			start = i + 1
		}
	}
	return append(out, strings.TrimSpace(field[start:]))
}

// parameterOf reads name=value, the value as a token or in quotes.
func parameterOf(element string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(element, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsAny(name, " \t\"") {
		return "", "", false
	}
	value = strings.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return strings.ToLower(name), value, true
	}
	var b strings.Builder
	for i := 1; i < len(value)-1; i++ {
		if value[i] == '\\' && i < len(value)-2 {
			i++
		}
		b.WriteByte(value[i])
	}
	return strings.ToLower(name), b.String(), true
}
