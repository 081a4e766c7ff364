// Package tenancy is the database gate. It is the only opener of a *gorm.DB and
// the only way to a row:
//
//   - Read and Write serve one tenant, named by a Handle that only the gates of
//     this package mint (ForMember, ForOrigin, ForJob);
//   - System serves the few acts that cross tenants, each with a named Reason.
//
// On PostgreSQL every transaction takes the role emcy_app (or emcy_system) and
// sets app.tenant_id before anything else, so row-level security holds even where
// a statement forgot its filter. On both databases a GORM callback adds the tenant
// to every statement and refuses the ones it cannot scope.
//
// It also keeps the tenants' data keys (Seal, Open), and carries change notices
// (Notify, Notices) to the rest of the process and, on PostgreSQL, to other nodes.
//
// It must not know what the rows mean: stores live in the packages that own them.
package tenancy
