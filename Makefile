# One word per chore. `make serve` and `make test` set up whatever they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS ?= tests
WORKERS ?= 2
# Many tests wait for other processes, so more run at a time than there are cores.
JOBS ?= $(shell echo $$((2 * $$(nproc))))
# Suites that `make test` plays once more against gateways of several workers.
WITH_WORKERS := official/test_client_python official/test_service_python \
  sdk/test_program transport/test_server_events
SEEDS ?= 1000
FIRST ?= 0

.DEFAULT_GOAL := help
.PHONY: help serve test test-workers dev check scenarios simulate bench clean

help:
	@echo "make serve      start a gateway on 127.0.0.1:8080 (sets up .venv first)"
	@echo "make test       install what tests need, check format, lint and types, run all tests"
	@echo "make test-workers  every suite that starts gateways, each of WORKERS=2 workers"
	@echo "make check      format, lint and types only"
	@echo "make bench      print the benchmark commands and run the short ones"
	@echo "make scenarios  play every scenario"
	@echo "make simulate   play a mesh with faults: SEEDS=100000 of them, or SEED=123 again"

$(BIN)/hubbub: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hubbub needs Python 3.11 or newer: make serve PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "cannot create $(VENV): install the venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "installing hubbub into $(VENV) (first time only)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

serve: $(BIN)/hubbub
	@exec $(BIN)/hubbub serve

$(VENV)/.test-tools: setup.cfg pyproject.toml | $(BIN)/hubbub
	@echo "installing the test tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

tests/node/node_modules/.package-lock.json: tests/node/package.json tests/node/package-lock.json
	@if command -v npm >/dev/null; then echo "installing the Node packages of the tests" && \
	  cd tests/node && npm ci --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: install Node.js 20 (Debian: apt install nodejs npm) to run the JavaScript tests"; fi

dev: $(VENV)/.test-tools tests/node/node_modules/.package-lock.json
	@mkdir -p build/types/hubbub
	@ln -sfn ../../../actors build/types/hubbub/actors
	@ln -sfn ../../../transport build/types/hubbub/transport
	@ln -sfn ../../../transport/sdk build/types/hubbub/sdk
	@ln -sfn ../../../scenarios build/types/hubbub/scenarios

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests

test: check
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(TESTS)
	$(if $(filter tests,$(TESTS)),$(BIN)/pytest -n $(JOBS) --dist worksteal \
	  --workers $(WORKERS) $(WITH_WORKERS:%=tests/%.py))

test-workers: dev
	$(BIN)/pytest -n $(JOBS) --dist worksteal --workers $(WORKERS) \
	  $$(grep -rl GatewayProcess --include='test_*.py' --exclude-dir=cluster tests)

scenarios: $(BIN)/hubbub
	@$(BIN)/hubbub scenarios --all

simulate: $(VENV)/.test-tools
	@PYTHONPATH=tests $(BIN)/python -m support.simulation_main \
	  $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

bench: $(BIN)/hubbub
	$(BIN)/python -m hubbub.transport.bench
	$(BIN)/python -m hubbub.transport.bench.events
	$(BIN)/python -m hubbub.transport.bench.mesh --rounds 1 --most 4

clean:
	rm -rf $(VENV) build dist *.egg-info tests/node/node_modules
