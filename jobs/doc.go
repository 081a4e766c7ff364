// Package jobs is the queue: the only importer of River's client. It owns the
// workers, the schedules, and the insert that shares a change's transaction.
//
//	upstreams.probe      asked for when a runtime is added or changed, and when it is
//	                     due; syncs its tool snapshot
//	upstreams.probe_all  every minute: asks for a probe of every runtime that is due
//	keys.turn            every 15 minutes: changes the signing keys that are due
//	clients.renew        every 5 minutes: reads the metadata documents anew that clients
//	                     in use are known by, and that are not fresh any more
//	grants.claim_due     every 15 s: asks for a refresh of every grant that is due
//	grants.refresh       renews one grant early
//	grants.refresh_now   renews one because a person asked for it
//	grants.revoke_due    twice a minute: takes tokens back at providers that are due
//	grants.revoke        takes those of one grant back, as soon as it is disconnected
//	maintenance.sweep    every hour: deletes what has expired
//
// A job's arguments are ids only. Workers are thin: they mint the tenant's handle
// and call the use case of the package that owns the work.
package jobs
