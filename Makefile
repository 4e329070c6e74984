# `make sweep` and `make test` set everything up themselves; `make` alone lists what there is.
# Another Python beside the first: make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?=
VENV ?= .venv
PYTEST_ARGS ?=
SWEEP = bnnpost sweep --config diabetes --out runs/diabetes

BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
LINT = $(BIN)/ruff check . && $(BIN)/mypy --cache-dir $(VENV)/.mypy_cache
# On all cores, a file of tests on one of them; `make pytest PARALLEL=` runs one after another.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
TEST = $(BIN)/python -m pytest $(PARALLEL)
INTERPRETERS = $(or $(PYTHON),python3 python3.11 python3.12 python3.13 python3.14 python)
BENCHMARKS = $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))
NOTEBOOKS = $(wildcard notebooks/*.ipynb)

.PHONY: help venv sweep test pytest test-share test-all lint docs benchmarks notebooks clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

venv: $(STAMP) ## set up $(VENV): what the others do first
	@:
ifneq ($(PYTHON),)
	@asked=$$("$(PYTHON)" -V) && held=$$("$(BIN)/python" -V) && test "$$asked" = "$$held" || { \
	  echo "$(VENV) holds $$held, but PYTHON=$(PYTHON) is $$asked: name another VENV too." >&2; \
	  exit 1; }
endif

# An environment that still runs is brought up to date; the stamp comes last, so that a failed
# installation is tried again.
$(STAMP): setup.cfg pyproject.toml
	@rm -f $@; found=; bare=; \
	for python in $(INTERPRETERS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$python; break; fi; \
	  bare=$${bare:-$$python}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$$bare is Python $$version but cannot make a virtual environment (no ensurepip)." >&2; \
	  echo "Install it (Debian, Ubuntu: apt-get install python$$version-venv), or set PYTHON." >&2; \
	  exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "No Python 3.11 or newer among: $(INTERPRETERS)." >&2; \
	  echo "Install one, or name one: make PYTHON=/path/to/python3.11 ..." >&2; \
	  exit 1; \
	fi; \
	if ! "$(BIN)/python" -c 'import pip' >/dev/null 2>&1; then \
	  clear=; if [ -f "$(VENV)/pyvenv.cfg" ]; then clear=--clear; fi; \
	  "$$found" -m venv $$clear "$(VENV)" || exit 1; \
	fi; \
	echo "Installing bnnpost into $(VENV), $$("$(BIN)/python" -V); the first time takes minutes."; \
	"$(BIN)/python" -m pip install --quiet --no-input --disable-pip-version-check -e '.[dev]'
	@touch $@

sweep: venv ## the example sweep, into runs/diabetes
	$(BIN)/$(SWEEP)

test: venv ## lint, types and the tests
	$(LINT)
	$(TEST) $(PYTEST_ARGS)

pytest: venv ## the tests alone
	$(TEST) $(PYTEST_ARGS)

test-share: venv ## of the slow tests, the share SHARE=K/N: the K-th of N parts that take alike long
	$(TEST) -m slow --share "$(SHARE)" $(PYTEST_ARGS)

test-all: venv ## test with the slow tests, and what took longest; then test on a newer Python
	$(LINT)
	$(TEST) -m "" --measure --durations=40 --durations-min=5 $(PYTEST_ARGS)
	.ci/newer

lint: venv ## lint and types alone
	$(LINT)

docs: venv ## the site of docs/, into build/docs
	$(BIN)/python -m sphinx -b html -q -n -W --keep-going docs build/docs
	@echo "Open build/docs/index.html"

benchmarks: venv ## every file of benchmarks/ in turn
	@for file in $(BENCHMARKS); do \
	  echo "== $$file"; "$(BIN)/python" "$$file" || exit 1; \
	done

notebooks: venv ## run every notebook, or NOTEBOOKS=FILES, and store its outputs in it
	$(BIN)/python -m tests.notebooks.rebuild $(NOTEBOOKS)

clean: ## remove environments, caches and build products; runs/ stays
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
