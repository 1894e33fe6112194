.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
CLIENTS := .clients
BENCH_VENV := .bench
BENCH_READY := $(BENCH_VENV)/.ready
CLI_READY := $(CLIENTS)/.cli-ready
TAP_READY := $(CLIENTS)/.tap-ready
GATEWAYS_READY := $(VENV)/.gateways-ready

.PHONY: help run test test-clients test-gateways bench soak faults screenshots check format clean

help: ## Show what there is to make
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Set up, fill with demo data and serve on http://127.0.0.1:8000 (PORT=… wins)
	@$(BIN)/python manage.py quickstart

test: $(TEST_READY) ## Run all tests (ARGS="-k name" to choose, DATABASE_URL=postgres://… for PostgreSQL)
	@$(BIN)/python -m pytest -n 2 $(ARGS)

test-clients: $(TEST_READY) $(CLI_READY) $(TAP_READY) ## Run Checkly's own clients against a live server (needs npm)
	@env -u DATABASE_URL $(BIN)/python -m pytest -n 2 --dist loadfile tests/clients $(ARGS)

test-gateways: $(TEST_READY) $(GATEWAYS_READY) ## Run the recipes of docs/gateways in nginx, Caddy, Traefik and Envoy
	@env -u DATABASE_URL $(BIN)/python -m pytest -n 2 --dist loadfile tests/gateways $(ARGS)

bench: $(BENCH_READY) ## Measure the check of keys beside what others offer (BENCH=short, ARGS="--only http"; wants wrk and nginx)
	@$(BENCH_VENV)/bin/python -m tests.benchmarks $(ARGS)

soak: $(BENCH_READY) ## Ten minutes at 70 % of the most it can do, on each database (SOAK_SECONDS=…)
	@$(BENCH_VENV)/bin/python -m tests.benchmarks --only soak $(ARGS)

screenshots: $(TEST_READY) ## Take a picture of every page and state into .screenshots (ARGS="--only words"), and the README's
	@env -u DATABASE_URL $(BIN)/python tests/browser/gallery.py .screenshots $(ARGS)
	@env -u DATABASE_URL $(BIN)/python tests/browser/screenshots.py docs/images

faults: $(TEST_READY) ## Databases, workers and disks that fail under load, 20 times each (FAULTS=short, ARGS="--only Redis")
	@env -u DATABASE_URL $(BIN)/python -m tests.faults $(ARGS)

check: $(TEST_READY) ## Lint, format, types, import rules, templates, migrations, deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint templates
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml keyportal accounts apikeys manage.py
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run
	env -i PATH="$$PATH" SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))')" LOCAL=false \
	  PUBLIC_URL=https://keys.example.com $(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(TEST_READY) ## Bring code and templates into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --reformat --quiet templates || true

clean: ## Remove the virtual environment and local data (.env stays)
	rm -rf $(VENV) $(CLIENTS) $(BENCH_VENV) .data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "KeyPortal needs Python 3.11 or newer.")'
	@$(PYTHON) -m venv $(VENV) || { echo "Making a virtual environment failed. On Debian: apt install python3-venv"; exit 1; }

$(RUN_READY): requirements.txt | $(BIN)/python
	@echo "Installing what KeyPortal runs on…"
	@sed '/^# The core of the tests/,$$d' requirements.txt | $(BIN)/pip install --quiet --disable-pip-version-check -r /dev/stdin
	@touch $@

$(TEST_READY): requirements.txt tests/requirements.txt | $(BIN)/python
	@echo "Installing what the tests need…"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

$(GATEWAYS_READY): tests/gateways/requirements.txt | $(TEST_READY)
	@echo "Installing Caddy, Traefik and Envoy…"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(BENCH_READY): requirements.txt tests/benchmarks/requirements.txt
	@echo "Installing what KeyPortal is measured against…"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@sed '/^# The core of the tests/,$$d' requirements.txt | cat - tests/benchmarks/requirements.txt \
	  | $(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -r /dev/stdin
	@touch $@

$(CLI_READY): tests/clients/package.json
	@command -v npm >/dev/null || { echo "Checkly's CLI comes with npm. On Debian: apt install npm"; exit 1; }
	@echo "Installing Checkly's CLI…"
	@mkdir -p $(CLIENTS)/cli && cp $< $(CLIENTS)/cli/
	@npm install --prefix $(CLIENTS)/cli --no-package-lock --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(TAP_READY): tests/clients/tap-requirements.txt | $(BIN)/python
	@echo "Installing tap-checkly…"
	@$(PYTHON) -m venv $(CLIENTS)/tap
	@$(CLIENTS)/tap/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
