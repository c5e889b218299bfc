# make demo and make test are all a newcomer needs: each installs uv into .tools if there is none, and the
# locked environment into .venv.

PYTHON ?= python3
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
RUN := $(UV) run --locked

.PHONY: demo test check setup fix

demo: setup
	$(RUN) suture demo

# Many tests start a process, which takes twice as long where Python may not keep its bytecode.
test: setup
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(RUN) pytest -n 2 --dist loadfile $(TESTS)

check: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports --no-cache

fix: setup
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

setup: $(filter .tools/bin/uv,$(UV))
	$(UV) sync --locked --quiet

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv
