// Package stories holds every component, page and fragment in every state, with made-up data. It is the one list that
// the tests render and that the console's /ui-kit shows where it is developed. Nothing else may import it.
package stories
