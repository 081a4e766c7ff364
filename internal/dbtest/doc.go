// Package dbtest gives every test a database of its own: a PostgreSQL database
// cloned from a template that is migrated once, or a SQLite file.
//
// It knows nothing of the schema: the caller names the template and fills it.
// It imports no package of this project, so every package's tests can use it,
// and it must never be imported by anything but tests.
package dbtest
