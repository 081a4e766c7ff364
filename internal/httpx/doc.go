// Package httpx holds small things that every HTTP surface needs the same way.
package httpx
