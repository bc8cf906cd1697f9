# Everything that people and CI run. `make help` lists the targets.

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
build: ## Build bin/healthrecords, from the packages that the tests compile too.
	@hack/go-build . "$$PWD/bin/healthrecords" . -ldflags "$(LDFLAGS)"

.PHONY: deps
deps: ## Install what the system lacks: Postgres, Redis, Chromium, promtool.
	@hack/install-packages

.PHONY: control-plane
control-plane: ## Fetch or build kube-apiserver and etcd, once.
	@hack/control-plane >/dev/null

.PHONY: clean
clean: ## Remove what make run, make build and make release left, with all data.
	@hack/clean

##@ Test

# The race detector needs a C compiler; Go turns cgo off where there is none.
RACE ?= $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.PHONY: test
test: deps control-plane ## Run all tests but those that need a cluster; TEST="PACKAGE... [FLAG...]" chooses.
	go test $(RACE) $(or $(TEST),./...)

.PHONY: security
security: deps control-plane ## Measure security: matrix, races, revocation, audit, and FUZZ_COUNT=N inputs (a million) for the fuzz targets.
	@hack/security

.PHONY: chart-test
chart-test: ## Test the Helm chart without a cluster: its share of make test.
	go test ./test/chart $(TEST)

.PHONY: e2e
e2e: ## Test the chart on a kind cluster made for it; KEEP=1 leaves the cluster.
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/e2e $(TEST)

.PHONY: fuzz
fuzz: ## Give the fuzz targets a million inputs; COUNT=N gives N, TARGET="FuzzNAME..." chooses.
	@hack/fuzz --count $(or $(COUNT),1000000) $(TARGET)

##@ Check

.PHONY: lint
lint: ## Lint Go and the shell scripts, and check the sizes of files.
	hack/tool golangci-lint run --allow-serial-runners
	hack/sizes
	hack/shellcheck

.PHONY: verify
verify: ## Fail when a generated file is not what its sources make of it, or a version disagrees.
	@hack/version >/dev/null
	hack/verify

.PHONY: outdated
outdated: ## List what is pinned and has a newer version: Go, modules, tools.
	@hack/outdated

.PHONY: vuln
vuln: ## Look for known vulnerabilities; VULNDB=URL names a mirror of the database.
	@VULNDB="$(VULNDB)" hack/vuln

.PHONY: generate
generate: ## Regenerate code, CRD, RBAC, OpenAPI and go.mod, and format.
	hack/generate

##@ Cluster

.PHONY: kind-up
kind-up: ## Make a kind cluster of three nodes with the image of this tree, Postgres' and Redis'.
	@hack/kind/offline/docker-up
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/image "$$(go env GOHOSTARCH)"
	@hack/kind/up "$${IMAGE:-healthrecords}:$(VERSION)" >/dev/null

.PHONY: kind-down
kind-down: ## Remove that cluster with all of its data; what docker and the images hold stays.
	@hack/kind/down

##@ Ship

.PHONY: sbom
sbom: build ## Write the CycloneDX SBOMs of the binary and of the module to bin/.
	@VERSION="$(VERSION)" hack/sbom

.PHONY: release
release: ## Write binaries, image, chart, SBOMs and checksums of the tagged version to dist/; SNAPSHOT=1 needs no tag.
	@SNAPSHOT="$(SNAPSHOT)" hack/release

.PHONY: image
image: ## Build the container images; ARCH="amd64 arm64" chooses, IMAGE names.
	@VERSION="$(VERSION)" LDFLAGS="$(LDFLAGS)" hack/image $(ARCH)
