# Everything a developer or a machine needs, from a fresh clone: Python 3.11, pip, make, gcc.
PYTHON ?= python3.11
BIN := .venv/bin
CODE := agents coordinator dashboards envs league tests benchmarks examples

.PHONY: demo lint check test bench format clean

demo: .venv/.installed  ## train a Connect Four league for about a minute, and show its leaderboard
	$(BIN)/league train connect_four --seconds 60

lint: .venv/.installed  ## formatter, linter, strict types, import contracts
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint  ## all that, and the fast tests
	$(BIN)/pytest -q -n auto --dist loadfile -m "not slow"

test: .venv/.installed  ## every test
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"
	$(BIN)/pytest -m slow

bench: .venv/.installed  ## whether training became slower, against docs/benchmarks.json
	$(BIN)/python -m benchmarks.regression

format: .venv/.installed
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

clean:
	rm -rf .venv build *.egg-info

.venv/.installed: pyproject.toml constraints.txt agents/kernels/*.c agents/kernels/*.h
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@
