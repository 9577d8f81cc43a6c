# Two commands do everything, set-up included: `make demo` and `make test`.
# They need git, make and Python 3.11 or newer; all else is installed into .venv from versions pinned in constraints.txt.

PYTHON ?= $(firstword $(foreach one,python3 python3.13 python3.12 python3.11,$(shell $(one) -c 'import sys; print("$(one)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))
BIN := .venv/bin
export UV_COMPILE_BYTECODE := 1

.PHONY: demo replay test lint types imports unit setup clean help

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: setup  ## the loop, live, on data made on the spot
	$(BIN)/loopwright demo

replay: setup  ## a year of real bicycle rentals in minutes; DATA=folder where there is no network
	$(BIN)/python examples/bike_demand/replay.py $(if $(DATA),--from $(DATA))

test: lint types imports unit  ## everything that must hold: style, types, import order, tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest --numprocesses 2 --dist loadfile --cov --cov-report=term:skip-covered

setup: .venv/.done

.venv/.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is needed, for example: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable '.[grpc,otel,postgres,xgboost]' --group dev
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { echo "LightGBM cannot be loaded. It needs the system's OpenMP library: sudo apt-get install libgomp1 (Debian, Ubuntu) or brew install libomp (macOS)"; exit 1; }
	@touch $@

clean:  ## forget the set-up
	rm -rf .venv .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
