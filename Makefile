# `make demo` and `make test` each do all the set-up themselves; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.graphium-env
EXPERIMENTS = $(sort $(shell find expts -name '*.yaml' -not -path 'expts/parts/*' 2>/dev/null) \
    $(wildcard data/*/sources.yaml))

# One thread for each process: two test processes on two cores, and numbers that do not depend on
# how many cores a machine has.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.DEFAULT_GOAL := help
.PHONY: help env demo test test-slow check format lint types layers docstrings experiments docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP)  ## make .venv with the pinned versions (PYTHON=python3.12 chooses another Python)

demo: $(STAMP)  ## train the demo and write its report (ARGS="trainer.max_epochs=2" overrides)
	$(BIN)/graphium-train expts/demo.yaml $(ARGS)

test: $(STAMP)  ## run the default tests: under ten minutes on two cores
	$(PYTEST) -m "not slow and not gpu" $(ARGS)

test-slow: $(STAMP)  ## run the tests that take minutes each
	$(PYTEST) -m "slow and not gpu" $(ARGS)

check: format lint types layers docstrings experiments docs  ## all that is checked without running

format: $(STAMP)  ## code is formatted
	$(BIN)/ruff format --check .

lint: $(STAMP)  ## lint rules
	$(BIN)/ruff check .

types: $(STAMP)  ## strict types
	$(BIN)/mypy

layers: $(STAMP)  ## imports point one way
	$(BIN)/lint-imports

# Preview rules: asked for by name, and not in pyproject.toml, where they would change stable rules too.
docstrings: $(STAMP)  ## docstrings name every argument, and none that is not there
	$(BIN)/ruff check --preview --select D417,DOC102,DOC202,DOC403 graphium

experiments: $(STAMP)  ## every experiment in expts/ and every mix's sources are valid
	@for file in $(EXPERIMENTS); do \
	    echo "graphium check $$file"; \
	    GRAPHIUM_TEST_DATA="$${GRAPHIUM_TEST_DATA:-not-needed-here}" \
	    GRAPHIUM_DATA="$${GRAPHIUM_DATA:-not-needed-here}" \
	        $(BIN)/graphium check --no-tables $$file >/dev/null || exit 1; \
	done

docs: $(STAMP)  ## build docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html

clean:  ## remove the environment, caches and built pages; runs/ stays
	rm -rf $(VENV) build dist *.egg-info docs/_build docs/reference/generated
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find graphium tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Wheels only, so nothing is compiled. The exception publishes its prebuilt files as a source archive.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt \
    --only-binary=:all: --no-binary=nglview

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; found = sys.version_info[:2]; \
	    sys.exit(None if (3, 11) <= found < (3, 14) else "graphium needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Name another: make env PYTHON=python3.12" % found)'
	@echo "installing the pinned packages into $(VENV): a minute or two once they are downloaded"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) pip
	$(INSTALL) --build-constraint constraints.txt --editable ".[dev,docs,cluster,search,fast]"
	@touch $(STAMP)
