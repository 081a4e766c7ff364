.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
TOOL := go tool -modfile=tools/go.mod

.PHONY: help
help: ## Show the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## Serve on http://localhost:8080 with ./emcy-data
	go run ./cmd/emcy serve

.PHONY: gen
gen: ## Regenerate templ components, assets and the linter's floor plan
	scripts/gen

.PHONY: fmt
fmt: ## Format Go and templ files
	scripts/fmt

.PHONY: lint
lint: ## Lint with golangci-lint (staticcheck among others)
	nice $(TOOL) golangci-lint run

.PHONY: vuln
vuln: ## Look up known vulnerabilities of what the code calls, online
	nice $(TOOL) govulncheck ./...

.PHONY: test
test: ## Install what the tests need, then run everything
	@scripts/test

.PHONY: race
race: ## Run the Go tests under the race detector
	@scripts/setup
	@eval "$$(scripts/postgres start)"; go test -race ./...

.PHONY: e2e
e2e: ## Run only the end-to-end tests: the built binary, real clients, a browser
	@scripts/test e2e

.PHONY: fuzz
fuzz: ## Run every fuzz target on FUZZCOUNT inputs (default 500000) each
	@scripts/fuzz

.PHONY: verify
verify: ## Regenerate, and fail when a committed generated file was stale
	@scripts/verify

.PHONY: shots
shots: ## Take pictures of every page into .cache/shots, light and dark, wide and narrow
	@scripts/setup
	go run ./test/shots

.PHONY: bench
bench: ## Measure against a bare proxy (docs/performance.md); BENCH="-only throughput -rounds 3 -write"
	@eval "$$(scripts/postgres start)"; go run ./test/bench $(BENCH)

.PHONY: pgo
pgo: ## Write a profile of the edge for a release build (docs/performance.md), on an idle machine
	go run ./test/bench -profile .cache/edge.pgo
