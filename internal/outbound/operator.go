package outbound

import (
	"context"
	"net"
	"time"
)

// operatorTimeout bounds one connection to a host of the operator's.
const operatorTimeout = 10 * time.Second

// DialOperator connects to a host that the operator of the installation has set, such as
// its mail server. Private addresses are fine there, and often the only ones; so an
// address that a tenant, a user or a document can name must never come here. It fails
// while a database transaction is open, as every call out does.
func DialOperator(ctx context.Context, network, address string) (net.Conn, error) {
	if InTx(ctx) {
		return nil, errInTx()
	}
	dialer := net.Dialer{Timeout: operatorTimeout}
	return dialer.DialContext(ctx, network, address)
}
