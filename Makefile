# Everything a developer runs; `make help` lists the targets.
#   PYTHON=python3.12    the interpreter that makes the virtual environment (default: the newest of 3.13 to 3.11)
#   VENV=.venv           where it stands
#   CC=clang             the C compiler for durable_rules
#   JOBS=4               how many processes run the tests (0: this one, as a debugger wants it)
#   EXTRAS=postgres      the extras that a wheelhouse holds

MAKEFLAGS += --no-print-directory --no-builtin-rules
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Where the environment forbids it, each of hundreds of processes would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
JOBS ?= 2
EXTRAS ?= postgres
PY := $(VENV)/bin/python
POLICY := $(VENV)/bin/policy
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip
INSTALL := $(PIP) install --quiet --constraint constraints.txt
READY := $(VENV)/.ready
TOOLS_READY := $(VENV)/.ready-tools
BENCH_READY := $(VENV)/.ready-bench

# A pyenv shim exists and yet may not run, and Debian's python3 may lack venv: each one is tried.
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(SUITABLE)' >/dev/null 2>&1 && echo $$p && break; done)

# durable_rules: its setup.py drops CFLAGS, so that pip builds it at -O0, and without the macro the extension does not
# import on Python 3.13. Never from or into pip's cache: a wheel built without these flags would look the same there.
ifeq ($(origin CC),default)
CC := $(shell command -v gcc >/dev/null 2>&1 && echo gcc || echo cc)
endif
ENGINE_CC = $(CC) -O2 -DPyEval_CallObject=PyObject_CallObject
ENGINE := $(shell sed -n 's/.*"\(durable-rules==[^"]*\)".*/\1/p' pyproject.toml)
ENGINE_FLAGS := --quiet --no-deps --no-build-isolation --no-cache-dir --no-binary durable-rules

LEDGER := sqlite:///.demo/ledger.db
WHEEL = dist/policy_engine-*.whl
SMOKE := examples/support-tickets.yaml

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: setup
setup: $(READY) ## virtual environment with everything, after the locked constraints.txt

# What builds wheels, and nothing else: a wheelhouse needs no more.
$(TOOLS_READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11, 3.12 or 3.13 with venv was found; name one: make $(MAKECMDGOALS) PYTHON=..." >&2; exit 1; }
	@[ -x $(PY) ] || { echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing into $(VENV)"
	@$(INSTALL) pip setuptools hatchling editables
	@touch $@

$(READY): $(TOOLS_READY) pyproject.toml constraints.txt
	@$(PY) -c 'import durable_rules_engine' 2>/dev/null || \
		CC="$(ENGINE_CC)" $(PIP) install $(ENGINE_FLAGS) --force-reinstall '$(ENGINE)'
	@$(PY) -c 'import durable_rules_engine'
	@$(INSTALL) --group dev --no-build-isolation --editable '.[postgres,otlp,timestamp,parquet,probe,plot,fleet,prove,ray,prices,parity,server,client]'
	@touch $@

.PHONY: demo
demo: $(READY) ## set up, decide the examples into a ledger under .demo/, show and verify the ledger
	@rm -rf .demo && mkdir .demo
	$(POLICY) evaluate --ledger $(LEDGER) examples/*.yaml
	$(POLICY) audit list --ledger $(LEDGER)
	$(POLICY) audit verify --ledger $(LEDGER)

.PHONY: test
test: $(READY) ## set up and run all tests, on JOBS=2 processes; ARGS="-k ledger" chooses
	@$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: check
check: $(READY) ## all that must hold before a commit: format, lint, types, imports, rules, tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	@$(MAKE) --jobs=2 --output-sync=target check-types check-rules
	@$(MAKE) test

# The next two run beside each other: each is one process. In a new checkout tests are compiled meanwhile, which both
# processes that run them would do at once; what is wrong with one is told there.
.PHONY: check-types
check-types: $(READY) ## of check: types and imports
	$(PY) -m mypy
	$(PY) -m mypy integrations
	$(VENV)/bin/lint-imports --no-cache

.PHONY: check-rules
check-rules: $(READY) ## of check: the shipped rules, their cases and what those notice
	$(POLICY) rules lint
	$(POLICY) rules test --coverage
	$(POLICY) rules mutate
	@[ -d tests/__pycache__ ] || $(PY) -m pytest --collect-only -qq >/dev/null 2>&1 || true

.PHONY: fix
fix: $(READY) ## format, and mend what ruff can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: bench
bench: $(READY) $(BENCH_READY) ## time the engine, a decision and the command line against their peers; ARGS="--sync-ms 5" slows commits
	@$(PY) -m bench $(ARGS)

$(BENCH_READY): pyproject.toml constraints.txt | $(READY)
	@$(INSTALL) --group bench
	@touch $@

CERBOS := 0.55.0
CERBOS_READY := build/cerbos/.ready-$(CERBOS)

.PHONY: bench-serve
bench-serve: $(READY) $(CERBOS_READY) ## the served engine under load, beside Cerbos; takes npm and wrk; ARGS="--soak 600" watches memory
	@$(PY) -m bench.serve $(ARGS)

$(CERBOS_READY):
	@command -v npm >/dev/null || { echo "Cerbos comes from npm, which is not installed: apt-get install npm" >&2; exit 1; }
	@rm -rf build/cerbos && mkdir -p build/cerbos
	@npm install --prefix build/cerbos --no-save --no-audit --no-fund --ignore-scripts --loglevel=error @cerbos/cerbos-linux-x64@$(CERBOS)
	@touch $@

.PHONY: golden
golden: $(READY) ## rewrite the files under tests/golden and the generated schemas; read the difference before a commit
	UPDATE_GOLDEN=1 $(PY) -m pytest -q $(ARGS)
	git status --short tests/golden rules

.PHONY: migration
migration: $(READY) ## a new Alembic script: make migration m="what changes"
	@[ -n "$(m)" ] || { echo 'say what changes: make migration m="..."' >&2; exit 2; }
	$(VENV)/bin/alembic revision --rev-id $$(printf '%04d' $$(($$(ls migrations/versions/[0-9]*.py | wc -l) + 1))) -m "$(m)"

.PHONY: dist
dist: $(READY) ## build sdist and wheel under dist/
	@rm -rf dist
	$(PY) -m build --no-isolation --outdir dist .

.PHONY: wheel
wheel: dist ## dist, its contents checked, and the wheel tried in a fresh environment
	@$(PY) -m zipfile -l $(WHEEL) > dist/contents
	@for f in policy_engine/_rules/policy-set.yaml policy_engine/_rules/schemas/ policy_engine/py.typed \
		policy_audit/_migrations/env.py policy_audit/_migrations/versions/ policy_audit/py.typed \
		policy_engine/_examples/hospital.yaml policy_engine/console/html/base.html policy_engine/console/html/console.css; do \
		grep -q "^$$f" dist/contents || { echo "the wheel lacks $$f" >&2; exit 1; }; done
	@! grep -E '^(tests|bench|audit|rules|migrations|examples)/' dist/contents
	@rm -rf build/wheel && $(PY) -m venv build/wheel
	@build/wheel/bin/python -m pip install -q -c constraints.txt pip setuptools
	@CC="$(ENGINE_CC)" build/wheel/bin/python -m pip install $(ENGINE_FLAGS) '$(ENGINE)'
	@build/wheel/bin/python -m pip install -q -c constraints.txt $(WHEEL)
	build/wheel/bin/policy evaluate --ledger sqlite:///:memory: $(SMOKE)

.PHONY: wheelhouse
wheelhouse: $(TOOLS_READY) ## a folder that installs offline and without a compiler, on this kind of machine and this Python; tried
	@rm -rf wheelhouse build/wheelhouse && mkdir wheelhouse
	CC="$(ENGINE_CC)" $(PIP) wheel $(ENGINE_FLAGS) -w wheelhouse '$(ENGINE)'
	$(PIP) wheel --quiet --no-deps --no-build-isolation -w wheelhouse .
	$(PIP) wheel --quiet --constraint constraints.txt --prefer-binary --find-links wheelhouse -w wheelhouse "$$(ls wheelhouse/policy_engine-*.whl)$(if $(EXTRAS),[$(EXTRAS)])"
	CC=/bin/false POLICY_PYTHON=$(PY) integrations/install.sh wheelhouse build/wheelhouse
	build/wheelhouse/bin/policy evaluate --ledger sqlite:///:memory: $(SMOKE)
	@echo "copy wheelhouse/ and install with: pip install --no-index --find-links wheelhouse policy-engine$(if $(EXTRAS),[$(EXTRAS)])"
	@echo "its digest, to be pinned: $$($(PY) integrations/install.py --digest wheelhouse)"

.PHONY: lock
lock: $(READY) ## write constraints.txt anew; ARGS=--upgrade takes newer releases
	@$(INSTALL) --group lock
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-annotate $(ARGS) \
		--extra postgres --extra otlp --extra timestamp --extra parquet --extra probe --extra plot --extra fleet --extra prove --extra ray --extra prices --extra parity --extra server --extra client --group dev --group bench --group lock \
		--custom-compile-command 'make lock    (one file for Python 3.11 to 3.13; ARGS=--upgrade takes newer releases)' \
		--output-file constraints.txt

.PHONY: clean
clean: ## remove what the other targets made, the virtual environment included
	rm -rf $(VENV) .demo dist build wheelhouse .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
