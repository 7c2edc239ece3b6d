# Every target sets itself up: the virtual environment is made and filled on first use.
# `make` needs nothing but Python 3.11 or later; PYTHON=python3.13 chooses another interpreter.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# Most tests wait for sockets, so more run side by side than there are cores. Many start processes: none
# must compile the library anew, whatever the environment says.
WORKERS ?= 4

BIN     = $(VENV)/bin
LOWEST  = $(VENV)-lowest
STAMP   = $(VENV)/.ready

.PHONY: help demo test lowest check lint types layers bench soak proof mutants docs lock clean
.DEFAULT_GOAL := help

help:            ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(STAMP)   ## run the demo bot against the built-in simulator (ARGS="--seconds 5 --plain")
	@$(BIN)/ibkr-async demo $(ARGS)

test: $(STAMP)   ## run the whole test suite with its coverage gate (pyproject.toml)
	@rm -f .coverage .coverage.*
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --cov --cov-branch --cov-report=term $(ARGS)

lowest:          ## run the tests against the oldest dependencies that pyproject.toml allows
	@$(MAKE) --no-print-directory $(LOWEST)/.ready VENV=$(LOWEST)
	@$(LOWEST)/bin/python tests/support/lowest.py >$(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pytest -n $(WORKERS) -m "not interop and not browser" $(ARGS)

check: lint types layers  ## lint, types and layer rules

lint: $(STAMP)   ## ruff: format and every lint family
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## mypy strict on src and examples, pyright on the public surface
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

layers: $(STAMP) ## the rules of the architecture that a machine can hold
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_structure.py tests/test_public_surface.py

bench: $(STAMP)  ## side-by-side ratios against other clients (ARGS="--quick")
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(STAMP)   ## half an hour of load with faults (ARGS="--seconds 60")
	$(BIN)/python -m benchmarks.soak $(ARGS)

proof: $(STAMP)  ## prove that orders cannot double, and print the numbers
	$(BIN)/python -m benchmarks.orders_proof $(ARGS)

mutants: $(STAMP) ## put small wrongs into the code and see which the tests miss (ARGS="--sample 100 --seed 1")
	$(BIN)/python -m benchmarks.mutants $(ARGS)

docs: $(STAMP)   ## rebuild the generated tables in docs/
	$(BIN)/python docs/build.py

lock:            ## pin the development dependencies anew
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet pip-tools
	$(VENV)-lock/bin/pip-compile --quiet --no-strip-extras --generate-hashes --all-build-deps --extra dev --extra sim --extra cli \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --output-file requirements-dev.lock pyproject.toml

clean:           ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-lock $(LOWEST) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*

$(STAMP): pyproject.toml requirements-dev.lock
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; choose one with PYTHON=python3.13")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
