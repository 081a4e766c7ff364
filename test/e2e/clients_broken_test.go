//go:build e2e

package e2e

import "github.com/emcy/gateway/test/clients/wire"

// fault is one thing that is broken before a client.
type fault struct {
	name   string
	breaks wire.Break
	// says is in what the client says about it.
	says string
	// reached is how far the client comes.
	reached reach
}

// reach is what a client asked for in a run.
type reach struct{ register, authorize, token, mcp bool }

var (
	toDiscovery    = reach{}
	toRegistration = reach{register: true}
	toCallback     = reach{register: true, authorize: true}
	toToken        = reach{register: true, authorize: true, token: true}
	toCall         = reach{register: true, authorize: true, token: true, mcp: true}
)

func wrongResource(says string) fault {
	return fault{"metadata of another resource", wire.WrongResource, says, toDiscovery}
}

func wrongIssuer(says string) fault {
	return fault{"metadata of another issuer", wire.WrongIssuer, says, toDiscovery}
}

func wrongCallback(says string) fault {
	return fault{"the browser comes back from another issuer", wire.WrongCallback, says, toCallback}
}

func tokenPage(says string) fault {
	return fault{"the token endpoint answers a page", wire.TokenPage, says, toToken}
}

func wrongSum() fault {
	return fault{"a tool answers wrongly", wire.WrongSum, "40 + 2 is", toCall}
}

// The faults that each client is known to notice. TypeScript SDK 1 looks at no
// issuer, the Go SDK goes on without a resource's metadata that is not its own, and
// mcp-go looks neither at the callback's issuer nor for PKCE.
var (
	faultsOfTypeScript1 = []fault{
		wrongResource("does not match expected"),
		{"a server without S256", wire.PlainPKCE, "does not support code challenge method S256", toRegistration},
		tokenPage("is not valid JSON"),
		wrongSum(),
	}
	faultsOfGoSDK = []fault{
		wrongIssuer("does not match issuer URL"),
		{"a server without PKCE", wire.NoPKCE, "does not implement PKCE", toDiscovery},
		wrongCallback("does not match expected issuer"),
		tokenPage("token exchange failed"),
		wrongSum(),
	}
	faultsOfMCPGo = []fault{
		wrongResource("does not match base URL"),
		wrongIssuer("declares issuer"),
		tokenPage("failed to decode token response"),
		wrongSum(),
	}
	faultsOfMCPRemote = []fault{
		wrongResource("does not match expected"),
		wrongIssuer("Issuer mismatch in authorization server metadata"),
		wrongCallback("Issuer mismatch in authorization response"),
		tokenPage("is not valid JSON"),
		wrongSum(),
	}
	faultsOfInspector = []fault{
		wrongResource("does not match expected"),
		wrongIssuer("Issuer mismatch in authorization server metadata"),
		wrongCallback("Issuer mismatch in authorization response"),
		tokenPage("is not valid JSON"),
		wrongSum(),
	}
	faultsOfFastMCP = []fault{
		wrongResource("does not match expected"),
		wrongIssuer("metadata issuer mismatch"),
		wrongCallback("response iss mismatch"),
		tokenPage("Invalid token response"),
		wrongSum(),
	}
)
