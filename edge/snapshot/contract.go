package snapshot

// Contract is how a runtime wants the worker contract's headers. The names are in net/http's canonical
// spelling.
type Contract struct {
	Secret, Token, Subject, Tenant, Client, RequestID, Assertion string
	// Bearer sends the person's downstream token as "Authorization: Bearer" and not under Token.
	Bearer bool
	// AssertionOnly sends no secret: the runtime checks the assertion.
	AssertionOnly bool
}

// DefaultContract has the names that every runtime knows.
var DefaultContract = Contract{
	Secret: "X-Emcy-Worker-Secret", Token: "X-Emcy-Upstream-Access-Token", Subject: "X-Emcy-Subject", Tenant: "X-Emcy-Tenant",
	Client: "X-Emcy-Client", RequestID: "X-Emcy-Request-Id", Assertion: "X-Emcy-Assertion",
}

// Names lists the headers.
func (c *Contract) Names() [7]string {
	return [7]string{c.Secret, c.Token, c.Subject, c.Tenant, c.Client, c.RequestID, c.Assertion}
}
