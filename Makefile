# The two commands a newcomer needs: `make demo` and `make test`. Both do all the set-up.
# Another interpreter: `make test PYTHON=python3.12` (it gets an environment of its own).

PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= out
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Small matrices gain nothing from a second thread, and timings jump.
export OMP_NUM_THREADS ?= 1

.PHONY: demo demo-trial test testbed check format clean

demo: $(STAMP)
	$(BIN)/counterfactual audit factory --out $(OUT)/factory

demo-trial: $(STAMP)
	$(BIN)/counterfactual audit trial --out $(OUT)/trial

testbed: $(STAMP)
	$(BIN)/counterfactual testbed --out $(OUT)/testbed --combine --readme README.md

test: $(STAMP) check
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; got $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) lacks the venv module; on Debian: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[dev,data,scale]"
	@touch $@

clean:
	rm -rf $(VENV) $(OUT) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
