// Package leaks looks for secrets in places where none may be: files, databases,
// answers. The secrets that fakes hand to a gateway carry a mark, so that one look
// finds any of them, also written in hexadecimal or base64.
//
// It knows nothing of the gateway; it must never import a package of this project.
package leaks
