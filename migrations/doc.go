// Package migrations holds the schema: plain SQL per dialect, append-only, run by
// goose under a lock together with River's own migrations.
//
// It owns what the tables are; who may read which row is the gate's business
// (tenancy). It imports nothing of ours.
package migrations
