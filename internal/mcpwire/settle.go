package mcpwire

// settle judges the collected members as a whole and fills the message from them.
func (d *draft) settle(m *Message) error {
	if string(d.jsonrpc) != `"2.0"` {
		return refuse("jsonrpc is not \"2.0\"")
	}
	if d.method == nil && m.Error != nil && string(m.ID) == "null" {
		m.ID = nil // the answer to a request whose id could not be read
	}
	if m.ID != nil && !validID(m.ID) {
		return refuse("id is neither a string nor an integer, or too long")
	}
	if d.method == nil {
		return d.settleResponse(m)
	}
	if m.Result != nil || m.Error != nil {
		return refuse("the message is both a call and an answer")
	}
	if d.method[0] != '"' {
		return refuse("method is not a string")
	}
	m.Method = known(methods, d.method)
	if !validMethod(m.Method) {
		return refuse("method is empty, too long, or holds control characters")
	}
	if len(d.params) > 0 && d.params[0] == '{' {
		m.Params = d.params
	}
	m.Kind = KindNotification
	if m.ID != nil {
		m.Kind = KindRequest
	}
	m.RequestState = d.requestState
	if err := d.settleVersion(m); err != nil {
		return err
	}
	return d.settleName(m)
}

func (d *draft) settleResponse(m *Message) error {
	switch {
	case m.Result == nil && m.Error == nil:
		return refuse("the message has no method")
	case m.Result != nil && m.Error != nil:
		return refuse("the answer holds both a result and an error")
	case m.ID == nil && m.Result != nil:
		return refuse("the answer has no id")
	case d.params != nil:
		return refuse("the message is both a call and an answer")
	}
	m.Kind = KindResponse
	return nil
}

func (d *draft) settleVersion(m *Message) error {
	v, who := d.metaVersion, d.metaClient
	if v != nil {
		m.Modern = true
	}
	if m.Method == MethodInitialize {
		if d.disguised&(seenVersion|seenClientInfo) != 0 {
			return refuse("a member of params is not spelled exactly")
		}
		if d.version != nil {
			v = d.version
		}
		if d.clientIsObject && !d.hasMetaClient {
			who = d.client
		}
	}
	if v != nil {
		if v[0] != '"' {
			return d.invalid(m, "the protocol version is not a string")
		}
		m.ProtocolVersion = known(versions, v)
	}
	m.ClientName, m.ClientVersion = who.name, who.version
	return nil
}

func (d *draft) settleName(m *Message) error {
	var raw []byte
	var spelled int
	switch m.Method {
	case MethodToolsCall, MethodPromptsGet:
		raw, spelled = d.name, seenName|seenArguments
	case MethodResourcesRead:
		raw, spelled = d.uri, seenURI
	case MethodTasksGet, MethodTasksUpdate, MethodTasksCancel:
		raw, spelled = d.taskID, seenTaskID
	default:
		return nil
	}
	if d.disguised&spelled != 0 {
		return refuse("a member of params is not spelled exactly")
	}
	if raw == nil || raw[0] != '"' || len(raw) == 2 {
		return d.invalid(m, "params does not name what the method acts on")
	}
	m.Name = text(raw)
	if hasControls(m.Name) {
		return d.invalid(m, "the name of what the method acts on holds control characters")
	}
	return nil
}

// invalid refuses a message whose envelope is sound, so that its id can be answered.
func (d *draft) invalid(m *Message, reason string) error {
	return &Error{Code: CodeInvalidParams, Reason: reason, ID: m.ID}
}

// validID accepts strings and integers as written: a fraction or an exponent is one number in two
// spellings, and parsers disagree on whether it comes back the same.
func validID(id []byte) bool {
	if len(id) > MaxID {
		return false
	}
	if id[0] == '"' {
		return true
	}
	digits := id
	if digits[0] == '-' {
		digits = digits[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) > 0
}

func validMethod(method string) bool {
	return method != "" && len(method) <= MaxMethod && !hasControls(method)
}

// hasControls looks for what cuts a text short, or into lines, for some of its readers.
func hasControls(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}
