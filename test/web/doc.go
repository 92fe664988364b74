// Package web looks at the pages of dojang web with a real browser.
package web
