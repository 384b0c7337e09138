# Everything a person types. A venv in .venv, nothing outside the folder.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint bench clean install

run: install ## install, then the whole earthquake pipeline on simulated data
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print("\n".join(p["project"]["dependencies"] + p["dependency-groups"]["dev"]))' > .venv/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/requirements.txt
	touch $@

clean: ## remove what the pipeline made; the DVC cache and the environment stay
	rm -rf data plots .cache dvc_plots .pytest_cache .mypy_cache .ruff_cache .hypothesis
