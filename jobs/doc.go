// Package jobs is the queue: the only importer of River's client. It owns the
// workers, the schedules, and the insert that shares a change's transaction.
//
//	upstreams.probe      asked for when a runtime is added or changed
//	upstreams.probe_all  every half hour: asks for a probe of every runtime
//	maintenance.sweep    every hour: deletes what has expired
//
// A job's arguments are ids only. Workers are thin: they mint the tenant's handle
// and call the use case of the package that owns the work.
package jobs
