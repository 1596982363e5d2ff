# Lethe. `make` lists what there is to run; all but e2e and bench works on a fresh clone with Go alone.

.DEFAULT_GOAL := help
.PHONY: help run test check e2e screenshots load bench build lethe functions tools clean

GO ?= go
ARCH ?= arm64
FUNCTIONS ?= $(notdir $(wildcard functions/*))
# What is not for Lambda lies apart, so that no deployment takes it along.
INTO = build$(if $(filter-out arm64,$(ARCH)),/$(ARCH))

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: lethe functions ## build/lethe and what `sam deploy` takes along: build/<function>/bootstrap; prints their sizes

lethe: ## build/lethe, the binary for this machine
	$(GO) build -trimpath -o build/lethe ./cmd/lethe

functions: ## build/<function>/bootstrap for AWS Lambda (provided.al2023 on arm64; ARCH=amd64 to build/amd64 for this machine), and their sizes
	@for f in $(FUNCTIONS); do \
	  GOOS=linux GOARCH=$(ARCH) CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags lambda.norpc \
	    -ldflags "-s -w -buildid=" -o $(INTO)/$$f/bootstrap ./functions/$$f || exit 1; \
	  wc -c $(INTO)/$$f/bootstrap | awk '{printf "  %5.1f MB  %s\n", $$1 / 1e6, $$2}'; \
	done

run: lethe ## the demo: the whole story against built-in simulators
	@build/lethe demo

test: ## all tests, with the race detector, in random order
	$(GO) test -race -shuffle=on ./...

check: ## what CI runs: format, vet, staticcheck, build and test
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w is needed for:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) build ./...
	$(MAKE) test

e2e: lethe ## browser tests in Chromium: the whole way, with and without script, and accessibility
	e2e/install.sh
	cd e2e && npm test

screenshots: lethe ## the pictures in docs/images, from a run of the demo
	e2e/install.sh
	cd e2e && npm run screenshots

load: ## 10,000 requests over the API of a process that is killed in the middle, and what the ledger holds after it
	LETHE_LOAD_REQUESTS=10000 $(GO) test -count=1 -v -timeout 15m ./internal/load

bench: ## speed and memory beside ripgrep (which must be installed), cold starts beside an empty function, what a sweep costs on AWS
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./internal/match ./internal/local ./internal/boot

tools: ## install the DynamoDB and the States Language validator of the tests (Node.js 20 or later); without them theirs are skipped
	npm ci --prefix internal/ledger/dynamostore/testdata/dynalite --ignore-scripts --no-audit --no-fund
	npm ci --prefix statemachine/testdata/asl-validator --ignore-scripts --no-audit --no-fund

clean: ## remove what was built and the demo's data
	rm -rf build lethe-demo
