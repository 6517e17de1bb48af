# Two commands for a fresh machine with python3, pip and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format clean browser

demo: $(STAMP)
	$(BIN)/suite demo

test: $(STAMP) browser
	$(BIN)/python -m pytest

browser:  # the Space is tested in Debian's Chromium; where it cannot be had, those tests say that they are skipped
	@test -x /usr/bin/chromium || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || true

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/write_help.py --check

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/write_help.py

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev,ray]'
	touch $@

clean:
	rm -rf $(VENV) dist results .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
