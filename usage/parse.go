package usage

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/emcy/gateway/usage/event"
)

// parseLine reads a line of the spool into e, and reports whether it is an event.
// What e held before may stay in memory as long as e does: much of it is the same
// from line to line, and is not copied again.
func parseLine(line []byte, e *event.Event) bool {
	if p := (parser{rest: line}); p.event(e) {
		return true
	}
	var other event.Event
	if json.Unmarshal(line, &other) != nil {
		return false
	}
	*e = other
	return true
}

// parser reads what appendLine writes, as long as no string needed an escape. It
// gives up on everything else, which is for encoding/json to judge.
type parser struct {
	rest   []byte
	failed bool
}

func (p *parser) event(e *event.Event) bool {
	p.literal(`{`)
	p.text(`"TenantID":`, &e.TenantID)
	p.text(`,"ID":`, &e.ID)
	if at := p.quoted(`,"At":`); !p.failed && e.At.UnmarshalText(at) != nil {
		p.failed = true
	}
	p.text(`,"RequestID":`, &e.RequestID)
	generation := p.number(`,"Generation":`)
	p.failed = p.failed || generation < 0
	e.Generation = uint64(generation) //nolint:gosec // not negative, or the event is given up
	p.text(`,"UpstreamID":`, &e.UpstreamID)
	p.text(`,"ClientID":`, &e.ClientID)
	p.text(`,"Subject":`, &e.Subject)
	p.text(`,"FamilyID":`, &e.FamilyID)
	p.text(`,"HTTPMethod":`, &e.HTTPMethod)
	p.text(`,"Method":`, &e.Method)
	p.text(`,"Name":`, &e.Name)
	p.text(`,"ProtocolVersion":`, &e.ProtocolVersion)
	e.Status = int(p.number(`,"Status":`))
	p.text(`,"Outcome":`, (*string)(&e.Outcome))
	p.text(`,"Reason":`, &e.Reason)
	e.Stream = p.bool(`,"Stream":`)
	e.Finished = p.bool(`,"Finished":`)
	e.Gateway = p.duration(`,"Gateway":`)
	e.Upstream = p.duration(`,"Upstream":`)
	e.Total = p.duration(`,"Total":`)
	e.RequestBytes = p.number(`,"RequestBytes":`)
	e.ResponseBytes = p.number(`,"ResponseBytes":`)
	p.literal("}\n")
	return !p.failed && len(p.rest) == 0
}

// literal takes what has to come next.
func (p *parser) literal(s string) {
	if !p.take(s) {
		p.failed = true
	}
}

func (p *parser) take(s string) bool {
	if len(p.rest) < len(s) || string(p.rest[:len(s)]) != s {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

func (p *parser) quoted(name string) []byte {
	p.literal(name)
	p.literal(`"`)
	end := bytes.IndexByte(p.rest, '"')
	if p.failed || end < 0 {
		p.failed = true
		return nil
	}
	value := p.rest[:end]
	p.rest = p.rest[end+1:]
	for _, c := range value {
		if c < ' ' || c > '~' || c == '\\' {
			p.failed = true
		}
	}
	return value
}

func (p *parser) text(name string, to *string) {
	if value := p.quoted(name); !p.failed && *to != string(value) {
		*to = string(value)
	}
}

func (p *parser) bool(name string) bool {
	p.literal(name)
	if p.take("true") {
		return true
	}
	p.literal("false")
	return false
}

// number takes an integer of at most 18 digits, so that none can overflow.
func (p *parser) number(name string) (n int64) {
	p.literal(name)
	negative := p.take("-")
	digits := 0
	for digits < len(p.rest) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
		digits++
	}
	if p.failed || digits == 0 || digits > 18 || (digits > 1 && p.rest[0] == '0') {
		p.failed = true
		return 0
	}
	for _, c := range p.rest[:digits] {
		n = 10*n + int64(c-'0')
	}
	p.rest = p.rest[digits:]
	if negative {
		n = -n
	}
	return n
}

func (p *parser) duration(name string) time.Duration { return time.Duration(p.number(name)) }
