package mcpwire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// envelope lists the members of a JSON-RPC message.
var envelope = []string{"jsonrpc", "id", "method", "params", "result", "error"}

// Members of params that the gateway judges, as bits: params may stand before method, so that what is
// wrong with them is known only at the end.
const (
	seenName = 1 << iota
	seenURI
	seenTaskID
	seenArguments
	seenVersion
	seenClientInfo
)

var judgedParams = []struct {
	name string
	bit  int
}{
	{"name", seenName},
	{"uri", seenURI},
	{"taskId", seenTaskID},
	{"arguments", seenArguments},
	{"protocolVersion", seenVersion},
	{"clientInfo", seenClientInfo},
}

// draft collects one message's members as written until all of them are there.
type draft struct {
	jsonrpc, method, params       []byte
	name, uri, taskID             []byte
	requestState                  []byte
	version, metaVersion          []byte
	client, metaClient            peer
	clientIsObject, hasMetaClient bool
	disguised                     int // judged params that appear in another spelling
}

// peer is an Implementation: who a client says it is.
type peer struct{ name, version string }

func (p *peeker) message() (Message, error) {
	var m Message
	var d draft
	err := p.members(func(name []byte) error {
		var err error
		switch string(name) {
		case "jsonrpc":
			d.jsonrpc, err = p.value()
		case "id":
			m.ID, err = p.value()
		case "method":
			d.method, err = p.value()
		case "params":
			start := int(p.dec.InputOffset())
			if err = p.params(&d); err == nil {
				d.params = trimmed(p.body[start:p.dec.InputOffset()])
			}
		case "result":
			m.Result, err = p.value()
		case "error":
			m.Error, err = p.value()
		default:
			if disguise(name, envelope...) {
				return refuse("a member of the envelope is not spelled exactly")
			}
			_, err = p.value()
		}
		return err
	})
	if err != nil {
		return Message{}, err
	}
	if err := d.settle(&m); err != nil {
		return Message{}, err
	}
	return m, nil
}

// trimmed cuts the colon and the white space that stand before a value.
func trimmed(v []byte) []byte {
	v = bytes.TrimLeft(v, ": \t\r\n")
	return v[:len(v):len(v)]
}

func (p *peeker) params(d *draft) error {
	if open, err := p.object("params is not an object"); !open {
		return err
	}
	return p.members(func(name []byte) error {
		var err error
		switch string(name) {
		case "name":
			d.name, err = p.value()
		case "uri":
			d.uri, err = p.value()
		case "taskId":
			d.taskID, err = p.value()
		case "protocolVersion":
			d.version, err = p.value()
		case "clientInfo":
			d.clientIsObject = p.dec.PeekKind() == '{'
			d.client, err = p.peer()
		case "requestState":
			d.requestState, err = p.value()
		case "_meta":
			err = p.meta(d)
		case "arguments":
			_, err = p.value()
		default:
			if disguise(name, "_meta") {
				return refuse("_meta is not spelled exactly")
			}
			for _, judged := range judgedParams {
				if disguise(name, judged.name) {
					d.disguised |= judged.bit
				}
			}
			_, err = p.value()
		}
		return err
	})
}

// object reports whether an object comes next. Null is read and counts as absent, anything else is
// refused.
func (p *peeker) object(reason string) (bool, error) {
	kind := p.dec.PeekKind()
	if kind == '{' {
		return true, nil
	}
	if _, err := p.value(); err != nil {
		return false, err
	}
	if kind == 'n' {
		return false, nil
	}
	return false, refuse(reason)
}

func (p *peeker) meta(d *draft) error {
	if open, err := p.object("_meta is not an object"); !open {
		return err
	}
	return p.members(func(name []byte) error {
		var err error
		switch string(name) {
		case MetaProtocolVersion:
			d.metaVersion, err = p.value()
		case MetaClientInfo:
			d.hasMetaClient = true
			d.metaClient, err = p.peer()
		default:
			if disguise(name, MetaProtocolVersion, MetaClientInfo) {
				return refuse("a member of _meta is not spelled exactly")
			}
			_, err = p.value()
		}
		return err
	})
}

// peer reads an Implementation. It decides nothing, so that oddities in it are passed over.
func (p *peeker) peer() (peer, error) {
	if p.dec.PeekKind() != '{' {
		_, err := p.value()
		return peer{}, err
	}
	var who peer
	err := p.members(func(name []byte) error {
		v, err := p.value()
		if err != nil {
			return err
		}
		if v[0] != '"' {
			return nil
		}
		switch string(name) {
		case "name":
			who.name = text(v)
		case "version":
			who.version = text(v)
		}
		return nil
	})
	return who, err
}

// disguise reports whether a member name that is not exactly one of the known ones would be taken for
// one by a parser that folds case or by a filter that compares before it unescapes.
func disguise(name []byte, known ...string) bool {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(text(append(append([]byte{'"'}, name...), '"')))
	}
	for _, k := range known {
		if bytes.EqualFold(name, []byte(k)) {
			return true
		}
	}
	return false
}

// text returns the value of a JSON string that the decoder has already accepted.
func text(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	plain, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return ""
	}
	return string(plain)
}

// known returns the kept string for a JSON string, or a new one.
func known(kept map[string]string, quoted []byte) string {
	if s, ok := kept[string(quoted[1:len(quoted)-1])]; ok {
		return s
	}
	return text(quoted)
}
