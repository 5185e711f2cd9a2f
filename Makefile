# Everything needed is installed on the way: uv into .venv, the rest by uv.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv || echo $(BIN)/uv)

# With two threads and any other work on the machine, OpenMP's spinning makes the
# embedded model many times slower.
export OMP_WAIT_POLICY := passive

.PHONY: help setup demo test lint types docs bench clean

help:  ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: .venv/.synced  ## Bring up the environment in .venv

demo: setup  ## Get a real answer from the embedded model: no key, no account
	@$(BIN)/python examples/demo.py

test: setup  ## Run all tests
	$(BIN)/pytest $(ARGS)

lint: setup  ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## Check types
	$(BIN)/mypy

docs: setup  ## Write the tables of the docs from the code
	$(BIN)/python docs/generate.py

bench: setup  ## Measure; prints the tables of benchmarks/README.md
	@for file in benchmarks/[a-z]*.py; do echo; echo "## $$file"; $(BIN)/python $$file || exit 1; done

clean:  ## Remove what was made
	rm -rf .venv dist .*_cache .hypothesis

.venv/.synced: $(UV) pyproject.toml core/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@$(UV) sync --inexact --quiet
	@touch $@

$(BIN)/uv:  # where none is installed
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
