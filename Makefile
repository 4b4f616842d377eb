# make demo   installs into .venv and runs the main job: a function tuned end to end, without an account
# make test   installs what the tests need and runs them all
# make check  the fast part of it
# make bench  benchmarks

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet

.PHONY: demo test check bench lint clean

demo: $(VENV)/.installed
	$(BIN)/lambdatune demo

# Each test file in one of three processes, which wait a lot; then, with nothing beside it, what measures time or takes the host's CPU.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder

test: lint
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not alone"
	$(BIN)/pytest -m alone

check: lint
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow and not alone"
	$(BIN)/pytest -m "alone and not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-test
	$(BIN)/python tests/bench
	$(BIN)/python tests/bench/replay.py --quick
	$(BIN)/python tests/bench/screen_cost.py --quick
	$(BIN)/python tests/bench/screens_felt.py --rounds 2

# ensurepip is a package of its own on Debian: the system's pip installs into the new environment.
$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
