# Every verb of this repository. `make` alone lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
BUF := $(VENV)/bin/buf
T ?=

# Temporary files and tool caches stay inside the checkout.
export TMPDIR := $(CURDIR)/var/tmp
export BUF_CACHE_DIR := $(CURDIR)/.cache/buf
export PYTHONUNBUFFERED := 1
# Dozens of processes start in a run of the tests; compiling everything in each would take minutes.
unexport PYTHONDONTWRITEBYTECODE
$(shell mkdir -p "$(TMPDIR)")

INSTALLED := $(VENV)/.installed
GENERATED := protos/gen/.generated
DESCRIPTORS := protos/gen/callplane.binpb
PROTOS := $(shell find protos/callplane -type d -o -name '*.proto' 2>/dev/null)

$(INSTALLED): requirements.lock deploy/setup.sh
	@deploy/setup.sh $(VENV)
	@touch $@

$(GENERATED): $(PROTOS) deploy/protos.py $(INSTALLED)
	@$(PY) -m deploy.protos
	@touch $@

##@ Run

.PHONY: demo
demo: setup ## Start everything, run the main job to its end, print a summary (var/demo.json)
	@$(PY) -m deploy.local demo

.PHONY: up
up: setup ## Start the whole stack in the foreground; Ctrl-C stops it
	@$(PY) -m deploy.local up

.PHONY: bench
bench: setup ## Run the benchmarks (var/bench.json); GROWTH=1, SOAK=1 or DIALS=1 runs a long one instead
	@$(PY) -m deploy.bench

##@ Check

.PHONY: test
test: setup ## Everything that must hold: lint, types, all tests
	@$(MAKE) -j2 --output-sync=target lint types collect
	@$(PY) -m pytest -n 3 --dist loadscope $(T)

# Alone, and beside the types, so that not each of the processes above compiles each file of tests.
.PHONY: collect
collect: setup
	@$(PY) -m pytest --collect-only -qq $(T) >"$(TMPDIR)/collected.txt" || { cat "$(TMPDIR)/collected.txt"; exit 1; }

.PHONY: test-unit test-integration test-contract test-e2e
test-unit: setup ## Logic without I/O (T=path to choose)
	@$(PY) -m pytest $(or $(T),tests/unit)
test-integration: setup ## Services, stores and the local stack on real PostgreSQL (T=path)
	@$(PY) -m pytest $(or $(T),tests/integration)
test-contract: setup ## Fakes against real ones, protos, migrations, providers' specifications (T=path)
	@$(PY) -m pytest $(or $(T),tests/contract)
test-e2e: setup ## Stories through Envoy and all services (T=path)
	@$(PY) -m pytest $(or $(T),tests/e2e)

.PHONY: kills
kills: setup ## The kill campaigns at length: N kills at each point (N=30); DIALS=1: 2,000 calls under random kills
	@KILLS=$(or $(N),30) DIALS=$(DIALS) $(PY) -m pytest -q -s \
	  $(if $(DIALS),tests/e2e/test_dial_storm.py,tests/e2e/test_kill_points.py tests/e2e/test_dial_kill_points.py)

.PHONY: lint
lint: setup ## Style, formatting, import rules, proto lint and breaking changes
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet . || { echo "run \`make fmt\`"; exit 1; }
	@PYTHONPATH=.:protos/gen $(VENV)/bin/lint-imports --no-logo
	@$(BUF) lint $(DESCRIPTORS) --path callplane --config protos/buf.yaml
	@test ! -e protos/baseline.binpb || \
	  $(BUF) breaking $(DESCRIPTORS) --against protos/baseline.binpb --path callplane --config protos/buf.yaml

.PHONY: types
types: setup ## mypy --strict
	@$(VENV)/bin/mypy

##@ Change

.PHONY: fmt
fmt: setup ## Format the code and repair what can be repaired
	@$(VENV)/bin/ruff check --fix-only --quiet .
	@$(VENV)/bin/ruff format .

.PHONY: protos
protos: $(INSTALLED) ## Generate Python, stubs and the descriptor set from protos/
	@$(PY) -m deploy.protos
	@touch $(GENERATED)

.PHONY: lock
lock: setup ## Pin requirements.in with hashes (requirements.lock)
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links requirements.in -o requirements.lock

.PHONY: protos-baseline
protos-baseline: setup ## At a release: freeze the contract that breaking changes are judged against
	@$(PY) -m deploy.protos baseline

##@ House

.PHONY: setup
setup: $(INSTALLED) $(GENERATED) ## Virtual environment and generated code (every verb does this when needed)

.PHONY: clean
clean: ## Remove everything generated: .venv, protos/gen, caches and var/ with all local data
	@rm -rf $(VENV) protos/gen var .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
