PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test quick lint docs site clean
.DEFAULT_GOAL := test

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SAE Atlas needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP) --editable ".[ingest]"
	touch $@

.venv/ready-dev: .venv/ready
	$(PIP) --editable ".[dev]"
	touch $@

demo: .venv/ready ## a catalog of a small real model, and questions to it
	$(BIN)/saeatlas demo

test: lint ## the whole suite, offline, on a real PostgreSQL
	$(BIN)/pytest -n 2 --dist loadgroup

quick: .venv/ready-dev ## what fails soonest, in two minutes: no calibrations, few random examples
	HYPOTHESIS_PROFILE=quick $(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

lint: .venv/ready-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/cog --check --check-fail-msg "run make docs" README.md docs/*.md
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[bfq]*.yml

docs: .venv/ready-dev ## write the generated parts of the pages anew
	$(BIN)/python docs/architecture_picture.py
	$(BIN)/python docs/readme.py
	$(BIN)/cog -r README.md docs/*.md

.venv/ready-docs: .venv/ready
	$(PIP) --editable ".[docs]"
	touch $@

site: .venv/ready-docs ## the pages with an API reference, in build/site; offline once installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv build dist *.egg-info
