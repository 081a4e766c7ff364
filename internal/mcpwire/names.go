package mcpwire

// Headers of the streamable HTTP transport, in the canonical spelling of net/http.
const (
	HeaderSessionID       = "Mcp-Session-Id"
	HeaderProtocolVersion = "Mcp-Protocol-Version"
	HeaderMethod          = "Mcp-Method"
	HeaderName            = "Mcp-Name"
	HeaderParamPrefix     = "Mcp-Param-"
	HeaderLastEventID     = "Last-Event-Id"
)

// Protocol versions. They are dates, so that string order is age.
const (
	Version20241105 = "2024-11-05"
	Version20250326 = "2025-03-26"
	Version20250618 = "2025-06-18"
	Version20251125 = "2025-11-25"
	Version20260728 = "2026-07-28"

	// FirstModern is the first version without sessions: every request carries its version in _meta.
	FirstModern = Version20260728
)

// Methods that the gateway knows by name.
const (
	MethodInitialize    = "initialize"
	MethodInitialized   = "notifications/initialized"
	MethodDiscover      = "server/discover"
	MethodToolsList     = "tools/list"
	MethodToolsCall     = "tools/call"
	MethodPromptsGet    = "prompts/get"
	MethodResourcesRead = "resources/read"
	MethodTasksGet      = "tasks/get"
	MethodTasksUpdate   = "tasks/update"
	MethodTasksCancel   = "tasks/cancel"
	MethodPing          = "ping"
	MethodElicit        = "elicitation/create"
)

// Keys in params._meta since 2026-07-28.
const (
	MetaProtocolVersion    = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo         = "io.modelcontextprotocol/clientInfo"
	MetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaServerInfo         = "io.modelcontextprotocol/serverInfo"
)

// JSON-RPC and MCP error codes.
const (
	CodeParse              = -32700
	CodeInvalidRequest     = -32600
	CodeMethodNotFound     = -32601
	CodeInvalidParams      = -32602
	CodeInternal           = -32603
	CodeHeaderMismatch     = -32020
	CodeMissingCapability  = -32021
	CodeUnsupportedVersion = -32022
	// CodeURLElicitation asks the client to lead its user to an address first. It is 2025-11-25's; later
	// versions must not have it.
	CodeURLElicitation = -32042
)

// methods holds one string per frequent method, so that reading a message allocates none for it.
var methods = func() map[string]string {
	known := make(map[string]string)
	for _, m := range []string{
		MethodInitialize, MethodInitialized, MethodDiscover, MethodToolsList, MethodToolsCall, MethodPromptsGet,
		MethodResourcesRead, MethodTasksGet, MethodTasksUpdate, MethodTasksCancel, "tasks/list", "tasks/result", MethodPing,
		"prompts/list", "resources/list", "resources/templates/list", "resources/subscribe", "resources/unsubscribe",
		"completion/complete", "logging/setLevel", "subscriptions/listen", "notifications/cancelled",
		"notifications/progress", "notifications/roots/list_changed",
	} {
		known[m] = m
	}
	return known
}()

// versions does the same for protocol versions.
var versions = map[string]string{
	Version20241105: Version20241105,
	Version20250326: Version20250326,
	Version20250618: Version20250618,
	Version20251125: Version20251125,
	Version20260728: Version20260728,
}
