# Two commands do everything on a fresh Debian machine: `make run` and `make test`.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST_ARGS ?=

.PHONY: help setup setup-dev run test lint bench soak docs lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: ## install what running needs
	@tools/setup.sh runtime

setup-dev: ## install what developing and testing needs
	@tools/setup.sh dev

run: setup ## the platform with its database, demo lender and simulators, on http://127.0.0.1:8000
	@THROUGHLINE_DEMO=1 $(BIN)/throughline up

# Two at a time; what starts the whole platform or kills it has the machine for itself, afterwards.
ALONE := system or browser or chaos

test: setup-dev lint ## everything: formats, types, floors, audits, tests
ifeq ($(PYTEST_ARGS),)
	$(BIN)/pytest -n 2 --dist loadfile -m "not soak and not ($(ALONE))"
	$(BIN)/pytest -m "not soak and ($(ALONE))"
else
	$(BIN)/pytest $(PYTEST_ARGS)
endif

lint: setup-dev ## formats, lints, types, floors, known holes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r src
	@tools/audit.sh

bench: setup-dev ## figures beside ceilings taken in the same run
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

soak: setup-dev ## the long tests: SOAK_STORIES=10 stories with everything killed in every step
	$(BIN)/pytest -m soak -o log_cli=true -o log_cli_level=INFO $(PYTEST_ARGS)

docs: setup-dev ## the documentation as a site in site/
	$(BIN)/mkdocs build --strict --quiet

lock: setup-dev ## pin the requirements anew, with hashes and without any registry's address
	@tools/lock.sh

clean: ## remove what the commands above made, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site artifacts
