# Every target makes .venv and installs what is missing first; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WORKERS ?= 2
# Threads without work sleep; spinning ones take the cores from whatever runs beside them.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help demo test test-all quick lint docs mutants probing
.DEFAULT_GOAL := help

help:
	@echo "make demo   the whole path on the sprite world: train two arms briefly; sample, score, compare, probe the shipped ones"
	@echo "make test   the tests but for the long ones, in minutes (WORKERS=$(WORKERS) processes)"
	@echo "make test-all  every test, the long ones too: several processes, compilers, notebooks, whole trainings"
	@echo "make quick  rules about the code and short unit tests that load no network, within a minute; it says what it leaves out"
	@echo "make lint   ruff, ruff format and mypy --strict"
	@echo "make docs   the documentation as a site, with the API reference from the docstrings, in build/site"
	@echo "make probing every probing table and figure of the shipped arms, in runs/probing; hours"
	@echo "make mutants MODULE=probekit.statistics.intervals   the planted faults that tests miss; all modules take a night"

demo: $(INSTALLED)
	OMP_NUM_THREADS=2 $(BIN)/trainer demo

# One thread for each worker: two workers with two threads each would fight over two cores.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not long"

test-all: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

quick: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --quick -m "not slow and not long"

# At the lowest priority; a call goes on where an earlier one stopped.
mutants: $(INSTALLED)
	nice -n 19 $(BIN)/python -m benchmarks.mutants $(MODULE)

# A link, a docstring or an annotation that cannot be read is an error.
docs: $(INSTALLED)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky -c docs . build/site
	$(BIN)/python -W error::UserWarning -m pdoc --docformat google --output-directory build/site/api probekit trainer

# Hours on two cores; a call goes on where an earlier one stopped.
probing: $(INSTALLED)
	OMP_NUM_THREADS=2 $(BIN)/probekit study reports/sprite/probing/study.yaml --out runs/probing

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict probekit trainer

$(INSTALLED): pyproject.toml constraints.txt constraints-vbench.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev,live]'
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r constraints-vbench.txt
	@touch $@
