# The two commands that most people need: `make up` and `make down`.
SHELL := bash
PYTHON := .venv/bin/python
STACKS := $(patsubst stacks/Pulumi.%.yaml,%,$(wildcard stacks/Pulumi.*.yaml))
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up down password install test test-cluster test-teardown lint bench goldens docs clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

up: install  ## a Kubernetes on this machine, the platform on it, and a DAG that runs there (CONTEXT=name: on yours)
	@$(PYTHON) -m local up

down: install  ## all that `make up` brought, gone (CONTEXT=name: from yours)
	@$(PYTHON) -m local down

password: install  ## the password of the UI's user admin
	@$(PYTHON) -m local password

install: .venv/.installed  ## the pinned Python packages, in .venv

.venv/.installed: requirements.txt requirements-dev.txt
	@command -v python3 >/dev/null || { echo "python3 is not on the PATH; install Python 3.11 or newer."; exit 1; }
	@python3 -c 'import sys; sys.exit(f"Python is {sys.version.split()[0]}; install 3.11 or newer.") if sys.version_info < (3, 11) else 0'
	@echo "Installing the pinned Python packages into .venv (about 1 min) ..."
	@python3 -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

lint: install  ## formatting, lint, types, import rules
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/ty check && .venv/bin/lint-imports --no-logo

test: lint  ## everything that needs no cluster
	@$(PYTHON) -m pytest -m "not cluster" -n 2

test-cluster: install  ## what needs the embedded Kubernetes: brings it up, tests, takes it down (unless it was up)
	@set -e; if ! $(PYTHON) -m local running; then $(MAKE) --no-print-directory test-teardown; \
	trap '$(PYTHON) -m local down' EXIT; fi; \
	$(PYTHON) -m local up; $(PYTHON) -m pytest -m cluster -v

test-teardown: install  ## what the embedded Kubernetes leaves behind: nothing (needs it down, brings it up and down)
	@$(PYTHON) -m pytest -m cluster -v tests/local/test_cluster_teardown.py

bench: install  ## speed, as ratios within one run (of tasks too, where the embedded Kubernetes is up)
	@$(PYTHON) -m local.bench

goldens: install  ## renew tests/goldens from the program, for you to review with git diff
	@for stack in $(STACKS); do $(PYTHON) -m infra.offline render $$stack --out tests/goldens/$$stack; done

docs: install  ## renew the generated parts of docs/ and the stack files' schema
	@$(PYTHON) -m infra.settings > stacks/schema.json
	@$(PYTHON) -m infra.docs

clean: down  ## `down`, and the cache
	@rm -rf "$${AIRFLOW_PLATFORM_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/airflow-platform}"
