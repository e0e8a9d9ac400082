# What a person runs; everything is installed into .venv, and a second run installs nothing.
#   PYTHON     the interpreter to make .venv with (3.11 or newer)
#   PIP_ARGS   options for pip, such as an index of CPU-only torch: PIP_ARGS="--extra-index-url URL"

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
BASE := .venv/.stamp-base
DEV := .venv/.stamp-dev
INPUTS := pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS) -e

.PHONY: help demo serve test faults bench lint docs clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(BASE)  ## Screen sample listings over HTTP and print the verdicts
	$(BIN)/listing-screener demo

serve: $(BASE)  ## The same, and keep the server running until Ctrl-C
	$(BIN)/listing-screener demo --keep

# A person's settings must not reach the tests, but the address of a database to test on may.
PYTEST = unset PYTHONPATH $$(env | sed -n 's/^\(SCREENER_[A-Z_]*\)=.*/\1/p' | grep -v '^SCREENER_TEST_'); $(BIN)/python -m pytest

test: lint  ## Linters, types, architecture, tests
	$(PYTEST)

faults: $(DEV)  ## Kill servers at bad moments, FAULTS_KILLS times (100), and look for what was lost
	FAULTS_KILLS=$${FAULTS_KILLS:-100}; export FAULTS_KILLS; $(PYTEST) -m faults -s

bench: $(DEV)  ## Time the service beside eager open_clip with FAISS (two minutes)
	$(BIN)/listing-screener-train benchmark

lint: $(DEV)  ## Linters, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/generate.py
	$(BIN)/lint-imports --no-cache

docs: $(BASE)  ## Write the pages of docs/ that are made from code
	$(BIN)/python docs/generate.py

clean:  ## Remove .venv and what tools cache; data in var/ stays
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(BASE): $(INPUTS) | $(BIN)/python
	$(INSTALL) '.[ocr]'
	@touch $@

$(DEV): $(INPUTS) | $(BIN)/python
	$(INSTALL) '.[ocr,train,postgres,dev]'
	@touch $(BASE) $@
