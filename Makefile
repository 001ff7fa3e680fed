# Two commands do everything on a fresh Debian machine: `make run` and `make test`.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST_ARGS ?=

.PHONY: help setup setup-dev run test lint style types weak holes bench soak docs lock clean
unexport PYTHONDONTWRITEBYTECODE # dozens of processes would each compile the platform anew

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: ## install what running needs
	@tools/setup.sh runtime

setup-dev: ## install what developing and testing needs
	@tools/setup.sh dev

run: setup ## the platform with its database, demo lender and simulators, on http://127.0.0.1:8000
	@THROUGHLINE_DEMO=1 $(BIN)/throughline up

test: setup-dev lint ## everything: formats, types, floors, audits, tests
ifeq ($(PYTEST_ARGS),)
	$(BIN)/pytest -n auto --dist loadfile
else
	$(BIN)/pytest $(PYTEST_ARGS)
endif

lint: setup-dev ## formats, lints, types, floors, known holes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style weak holes

style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types:
	$(BIN)/mypy

weak:
	$(BIN)/bandit -q -c pyproject.toml -r src

holes:
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
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site artifacts tests/messaging_smpp/peer/node_modules
