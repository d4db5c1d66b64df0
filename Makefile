# Everything is kept in this folder (.venv, .make); nothing asks for sudo or changes the system. The one exception is
# root on Debian (CI), for whom the tests may install packages (chromium, strace); no service of the system is started.
# Works with GNU make 3.81 (macOS) and later. ARGS is handed on: make serve ARGS="--port 9000".

.PHONY: help install serve demo doctor test test-slow test-system coverage check lint bench bench-peers soak screenshots dashboards extension lock clean dev
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?=
ARGS ?=
BASE ?=

# Where it is set, as in many images, each of the hundreds of processes of a test run would compile the service anew.
unexport PYTHONDONTWRITEBYTECODE

# Looked up once, when first needed. Not finding one is a single line.
found = $(eval found := $(shell sh scripts/find-python $(PYTHON)))$(found)
python = $(if $(filter ok,$(firstword $(found))),$(word 2,$(found)),$(error $(wordlist 2,99,$(found))))

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

install: ## set up .venv with aico in it
	@$(python) scripts/environment.py run

serve: install ## run the service in the foreground, on port 8611 or AICO_PORT, setting everything up first
	@exec .venv/bin/aico serve $(ARGS)

demo: install ## see it live on invented logs that keep growing, on a free port that it prints
	@exec .venv/bin/aico demo $(ARGS)

doctor: install ## say what is wrong and what to do
	@exec .venv/bin/aico doctor $(ARGS)

marked = @browser=$$(.venv/bin/python scripts/browser.py) && TEST_CHROMIUM=$$browser .venv/bin/python scripts/side_by_side.py
test: dev ## run the quick tests, those in a real browser included: two minutes
	$(marked) "not slow"

test-slow: dev ## run the others: faults, kills, floods, further widths and languages of the page
	$(marked) slow

test-system: dev ## look at the service from outside, with tools of the system (Linux)
	@.venv/bin/python scripts/system_tools.py && .venv/bin/python scripts/side_by_side.py --system

# Apart from the tests, which take twice as long when each line of every process is noted.
coverage: dev ## say which lines no test of the core runs; fails under 95 %
	@.venv/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --ignore=tests/ui --ignore=tests/system \
		--cov=aico --cov-report=term-missing:skip-covered --cov-fail-under=95

# With more examples of everything that is drawn. The system's tests need Linux.
check: export HYPOTHESIS_PROFILE ?= ci
check: lint ## everything: lint, format, types, layers, all tests
	@case $$(uname) in Linux) .venv/bin/python scripts/system_tools.py ;; esac
	$(marked) --all

lint: dev ## lint, format, types, layers
	@.venv/bin/python -m ruff check
	@.venv/bin/python -m ruff format --check
	@.venv/bin/python -m mypy
	@.venv/bin/python -c "from importlinter.cli import lint_imports_command as lint; lint()" --no-cache --no-logo

bench: dev ## measure; BASE=<virtual environment of an earlier build> also compares both, pair by pair
	@.venv/bin/python -m bench $(if $(BASE),--base "$(BASE)") $(ARGS)

bench-peers: dev ## measure other local usage viewers beside ours, on invented homes; fetches them into .make/peers
	@.venv/bin/python -m bench.peers $(ARGS)

soak: dev ## every fault many times over, then a service under faults; ARGS="--minutes 60 --seed 7", --only life
	@.venv/bin/python -m tests.faults.soak $(ARGS)

screenshots: dev ## a picture of every state of the page, in .make/screenshots; ARGS names another folder
	@browser=$$(.venv/bin/python scripts/browser.py) && TEST_CHROMIUM=$$browser .venv/bin/python -m tests.ui.screenshots $(ARGS)

dashboards: dev ## write the dashboards of deploy/otel anew from scripts/dashboards.py
	@.venv/bin/python scripts/dashboards.py

extension: install ## pack the browser extension into .make
	@.venv/bin/python scripts/extension.py $(ARGS)

lock: install ## write requirements/*.txt anew from pyproject.toml; ARGS=--upgrade takes newer versions
	@.venv/bin/python scripts/lock.py $(ARGS)

clean: ## remove .venv and everything that was built or measured
	@rm -rf .venv .make .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Not in the list: what the checks and tests need, too.
dev:
	@$(python) scripts/environment.py dev
