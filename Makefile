# Everything needed is installed on the way: uv into .venv, the rest by uv.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv || echo $(BIN)/uv)

# With two threads and any other work on the machine, OpenMP's spinning makes the
# embedded model many times slower.
export OMP_WAIT_POLICY := passive

.PHONY: help setup demo test test-phoenix lint types docs bench clean

help:  ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: .venv/.synced  ## Bring up the environment in .venv

demo: setup  ## Get a real answer from the embedded model: no key, no account
	@$(BIN)/python examples/demo.py

test: setup  ## Run all tests, on up to four cores
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

# Phoenix opens a second port on every address of the machine, so it gets a network of
# its own where the system has that.
test-phoenix: setup .phoenix/.made  ## Run the tests against a real Phoenix: large, and slow to start
	@run="PHOENIX=$(CURDIR)/.phoenix/bin/phoenix $(BIN)/pytest plugins/pegboard-phoenix/tests/phoenix_server.py $(ARGS)"; \
	if unshare -rn ip link set lo up 2>/dev/null; then unshare -rn sh -c "ip link set lo up && $$run"; else sh -c "$$run"; fi

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
	rm -rf .venv .phoenix dist .*_cache .hypothesis

.phoenix/.made: $(UV)
	@$(UV) venv --quiet --allow-existing .phoenix
	@$(UV) pip install --quiet --python .phoenix/bin/python "arize-phoenix==20.26.1"
	@touch $@

.venv/.synced: $(UV) pyproject.toml core/pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@$(UV) sync --inexact --quiet
	@touch $@

$(BIN)/uv:  # where none is installed
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
