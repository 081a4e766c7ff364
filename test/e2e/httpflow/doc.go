// Package httpflow is a scripted person and a scripted MCP client, on net/http
// alone: a Browser without JavaScript that keeps cookies and posts the forms it
// finds, a Person who signs up, makes a workspace, adds runtimes and allows
// clients, and a Client that discovers, registers, gets tokens and calls tools.
//
// Tests of any package may use it against any running gateway. It speaks HTTP
// only and knows addresses, form fields and the words of the protocols; it must
// never import a package of this project, and it asserts nothing: a step that
// did not succeed is an error that says what was answered.
package httpflow
