package wire

import "context"

type askedKey struct{}

func withAsked(ctx context.Context, asked []byte) context.Context {
	return context.WithValue(ctx, askedKey{}, asked)
}

// askedFor is the body that the wire read of a request.
func askedFor(ctx context.Context) []byte {
	asked, _ := ctx.Value(askedKey{}).([]byte)
	return asked
}
