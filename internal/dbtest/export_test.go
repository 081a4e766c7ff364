package dbtest

import (
	"context"
	"os"
)

// DropTemplate removes a template that only one test uses.
func DropTemplate(template string) error {
	return exec(context.Background(), os.Getenv(Env), "drop database if exists "+ident(templateName(template))+" with (force)")
}
