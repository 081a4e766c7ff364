package outbound

import (
	"context"
	"errors"
)

type txKey struct{}

var errCallInTx = errors.New("call out while a database transaction is open")

// ContextWithTx marks a context as one in which a database transaction is open. Whoever opens a
// transaction hands this context on, and every call out with it fails: a remote party must not decide
// how long a transaction holds its locks.
func ContextWithTx(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, true)
}

// InTx reports whether the context is marked by ContextWithTx.
func InTx(ctx context.Context) bool {
	in, _ := ctx.Value(txKey{}).(bool)
	return in
}

func errInTx() *Error {
	return fail(KindInternal, "the request could not be sent", errCallInTx)
}
