// Package tour fills a running gateway with a small story and lists the pages that people see in it, with the cookies
// of whoever may see them. The pictures and the accessibility checks both walk it, so that neither forgets a page.
package tour
