# make run    train the example model          make test   every check, as in CI
# make clean  remove what the others made      make PYTHON=python3.13 test   with another Python

PYTHON ?= python3
ARGS ?=

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

# $(VENV)/made exists only while the environment is whole. It says for which folder and which Python it was made,
# because an environment that was copied along with the folder would quietly run the code of the old one.
export MADE_FOR := $(CURDIR) with $(PYTHON)
ifneq ($(shell test -x $(VENV)/bin/python && cat $(VENV)/made 2>/dev/null),$(MADE_FOR))
.PHONY: $(VENV)/made
endif

.PHONY: run test clean
.NOTPARALLEL:

run: $(VENV)/run.stamp
	$(VENV)/bin/ourdl train examples/digits.toml

# All run, whatever the first ones find; the tests are last, so that their summary ends the output. `--ourdl` proves each op
# of OurDL by its contract (not when ARGS choose among the tests).
test: $(VENV)/test.stamp
	@failed=; \
	echo 'ruff check';   $(VENV)/bin/python -m ruff check . || failed="$$failed ruff"; \
	echo 'mypy';         $(VENV)/bin/python -m mypy         || failed="$$failed mypy"; \
	echo 'lint-imports'; $(VENV)/bin/lint-imports --no-logo || failed="$$failed lint-imports"; \
	test -n '$(ARGS)' || { echo 'pytest --ourdl'; \
	    $(VENV)/bin/python -m pytest --ourdl=ourdl -n auto -q || failed="$$failed contracts"; }; \
	echo 'pytest';       $(VENV)/bin/python -m pytest -n auto --dist loadgroup $(ARGS) || failed="$$failed pytest"; \
	test -z "$$failed" || { echo "make test: failed:$$failed" >&2; exit 1; }

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "OurDL needs Python 3.11 or newer, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	@printf '%s\n' "$$MADE_FOR" > $@

# While pip works, `made` is out of the way: an install that is cut short starts again from nothing.
$(VENV)/run.stamp: pyproject.toml $(VENV)/made
	@mv $(VENV)/made $(VENV)/making
	$(PIP) install -e .
	@mv $(VENV)/making $(VENV)/made
	@touch $@

$(VENV)/test.stamp: pyproject.toml $(VENV)/made
	@mv $(VENV)/made $(VENV)/making
	$(PIP) install -e '.[test]'
	@mv $(VENV)/making $(VENV)/made
	@touch $(VENV)/run.stamp $@
