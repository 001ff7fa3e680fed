#!/bin/sh
# Write requirements/*.txt from pyproject.toml: pinned, with hashes, naming no registry.
set -eu
.venv/bin/python -m pip install --quiet uv
lock() { .venv/bin/uv pip compile pyproject.toml --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 "$@"; }
lock --extra lab --extra parquet --group build -o requirements/runtime.txt
lock --extra lab --extra parquet --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt
if grep -nE '://' requirements/*.txt; then echo "an address stands in the requirements" >&2; exit 1; fi
