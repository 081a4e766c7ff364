// Package stories holds every page and fragment in every state, with made-up data. The tests render them, and a
// preview can serve them. The product itself must not import it.
package stories
