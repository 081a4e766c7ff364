// Package secret keeps values that must never be printed out of logs, errors and
// JSON by construction: the type's every rendering is "[sealed]".
package secret
