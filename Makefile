# The commands for developers and CI. `make help` lists the targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help

# At a release's tag, vVERSION, it is the version that hack/version prints.
VERSION ?= $(patsubst v%,%,$(shell git describe --tags --always --dirty 2>/dev/null || echo development))
LDFLAGS := -s -w -X github.com/healthrecords/healthrecords/internal/app.version=$(VERSION)

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

.PHONY: run
run: deps control-plane build ## Run everything on this machine until Ctrl-C; IMPORT=PATH loads FHIR bundles first.
	@hack/go-build . "$$PWD/bin/dev" ./hack/dev
	@exec bin/dev $(if $(IMPORT),--import "$(IMPORT)")

.PHONY: build
build: ## Build bin/healthrecords; the tests reuse the compiled packages.
	@hack/go-build . "$$PWD/bin/healthrecords" . -ldflags "$(LDFLAGS)"
	@for name in kubectl-healthrecords kubectl_complete-healthrecords; do ln -sf healthrecords "bin/$$name"; done # docs/kubectl.md

.PHONY: deps
deps: ## Install missing system packages that make run needs: Postgres, Redis.
	@hack/install-packages

.PHONY: test-deps
test-deps: ## Install those that make test needs: also Chromium and promtool.
	@hack/install-packages --tests

.PHONY: control-plane
control-plane: ## Download or build kube-apiserver and etcd, once.
	@hack/control-plane >/dev/null

.PHONY: node
node: ## Install Node.js and the programs of hack/node, once; they check the OpenAPI document.
	@hack/node/run true

.PHONY: clean
clean: ## Remove everything that make run, make build and make release created, including all data.
	@hack/clean

##@ Test

# The race detector needs a C compiler; Go disables cgo if none is installed.
RACE ?= $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.PHONY: test
test: test-deps control-plane node ## Run all tests except those that need a cluster; TEST="PACKAGE... [FLAG...]" selects tests.
	go test $(RACE) $(or $(TEST),./...)
	$(if $(TEST),,go -C hack/bench test $(RACE) ./...)

.PHONY: security
security: deps control-plane ## Measure security: matrix, races, revocation, audit, fuzzing with FUZZ_COUNT=N inputs (default a million).
	@hack/security

.PHONY: bench
bench: deps build ## Measure the server; SIZE=PATIENTS, SCENARIO=REGEXP, ROUNDS=N, SECONDS=N, BINARY=PATH, SETTINGS="NAME=VALUE...", GROWTH=1, WRITE=1.
	@hack/go-build hack/bench "$$PWD/bin/bench" .
	@exec bin/bench $(if $(SIZE),-size="$(SIZE)") $(if $(SCENARIO),-scenario='$(SCENARIO)') $(if $(ROUNDS),-rounds="$(ROUNDS)") \
		$(if $(SECONDS),-seconds="$(SECONDS)") $(if $(BINARY),-binary="$(BINARY)") $(if $(SETTINGS),-settings="$(SETTINGS)") \
		$(if $(GROWTH),-growth) $(if $(WRITE),-write)

.PHONY: bench-controller
bench-controller: deps control-plane ## Measure the controller with 10,000 objects and a million pairs, and check limits; takes half an hour.
	go test ./test/scale -count=1 -v -timeout 90m -args -limits \
		-objects=10000 -doctors=100 -teams=100 -team=20 -panel=500 -largest=5000 -samples=100

.PHONY: chart-test
chart-test: ## Test the Helm chart without a cluster; make test includes this.
	go test ./test/chart $(TEST)

.PHONY: e2e
e2e: ## Test the chart on a kind cluster of its own; KEEP=1 keeps the cluster.
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/e2e $(TEST)

.PHONY: fuzz
fuzz: ## Give the fuzz targets a million inputs; COUNT=N sets another number, TARGET="FuzzNAME..." selects targets.
	@hack/fuzz --count $(or $(COUNT),1000000) $(TARGET)

##@ Check

.PHONY: lint
lint: ## Lint Go and the shell scripts, and check the sizes of files.
	hack/tool golangci-lint run --allow-serial-runners
	cd hack/bench && ../tool golangci-lint run --allow-serial-runners
	hack/sizes
	go run ./hack/words
	hack/shellcheck

.PHONY: verify-api
verify-api: ## Check the OpenAPI document with Redocly and Spectral; make verify includes this.
	hack/verify-api

.PHONY: verify
verify: verify-api ## Fail if a generated file does not match its sources, or version numbers differ.
	@hack/version >/dev/null
	hack/verify

.PHONY: outdated
outdated: ## List pinned versions that have a newer one: Go, modules, tools.
	@hack/outdated

.PHONY: vuln
vuln: ## Look for known vulnerabilities; VULNDB=URL selects a mirror of the database.
	@VULNDB="$(VULNDB)" hack/vuln

.PHONY: generate
generate: ## Regenerate code, CRD, RBAC, OpenAPI, docs and go.mod, and format the code.
	hack/generate

##@ Cluster

.PHONY: kind-up
kind-up: ## Create a kind cluster of three nodes with images of this tree, Postgres and Redis.
	@hack/kind/offline/docker-up
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/image "$$(go env GOHOSTARCH)"
	@hack/kind/up "$${IMAGE:-healthrecords}:$(VERSION)" >/dev/null

.PHONY: kind-down
kind-down: ## Remove that cluster with all of its data; Docker and the images stay.
	@hack/kind/down

##@ Ship

.PHONY: sbom
sbom: build ## Write the CycloneDX SBOMs of the binary and of the module to bin/.
	@VERSION="$(VERSION)" hack/sbom

.PHONY: release
release: ## Write binaries, image, chart, SBOMs and checksums of the tagged version to dist/; SNAPSHOT=1 needs no tag.
	@SNAPSHOT="$(SNAPSHOT)" hack/release

.PHONY: image
image: ## Build the container images; ARCH="amd64 arm64" selects architectures, IMAGE the name.
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/image $(ARCH)
