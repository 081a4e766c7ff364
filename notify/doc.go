// Package notify tells people and programs what happened in a workspace: mail to those
// who look after it, mail to the users whom it concerns, and signed webhooks.
//
// It owns four tables: alert_settings (who is told of what), webhooks, notifications
// (what happened) and deliveries (one for each time that somebody is to be told of it).
//
// Record writes a notification and its deliveries in the transaction of the change
// itself, so that there is no change without its alert and no alert without its change.
// Deliver, which the queue calls, sends what is due: it leases the rows, sends outside
// any transaction, and writes down what came of it. A process that dies in between
// leaves a lease that ends, and the message is sent once more under the same id.
//
//	pending --sent--> sent
//	pending --refused for now--> pending, later
//	pending --refused for good, or too often--> failed
//
// It must not: hold a secret in a notification (an event's data have a closed list of
// names), put an address or a token into a link, sign anybody in by a link, or let the
// change wait for a mail server.
package notify
