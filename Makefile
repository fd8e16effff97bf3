# Lockstep: `make` lists the targets. The only requirements are make and Python 3.11 or later.

# Another Python has an environment of its own: make test PYTHON=python3.13
PYTHON ?=
VENV  := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

# No library reports usage from here.
export DAGSTER_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY  := true

# Some shells and images say that no bytecode is kept: each of the thousand processes that the tests
# and benchmarks start would compile all modules anew, for a second or so.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test test-long check format docs site bench-requests bench-serving bench-endurance bench-skew bench-skew-tables bench-skew-kinds bench-core bench-lookups bench-run bench-checks bench-walk bench-overview bench-batch bench-faults bench-compare bench-mutants clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## train, promote, score and serve real flights, then catch four kinds of skew
	@$(BIN)/python -m orchestration.demo

up: $(STAMP) ## Dagster, MLflow and the HTTP server of flight_delay on 127.0.0.1 until Ctrl-C
	@$(BIN)/lockstep up

# One thread a worker: workers with two OpenMP threads each wait for one another. A worker waits for
# processes of its own a sixth of the time: three of them keep two cores busy.
TESTS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
	--numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=20

test: WORKERS := 3
test: $(STAMP) ## run the tests of what is promised, in minutes: before each commit
	$(TESTS) -m 'not long'

test-long: WORKERS := 2
test-long: $(STAMP) ## run the others: kills, long state machines, nginx, PostgreSQL, a browser, Ray, benchmarks
	$(TESTS) -m long

check: $(STAMP) ## check format, lint, types and import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and apply the safe fixes
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(STAMP) ## write docs/reference.md and docs/checks.md from the code
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/checks.py

site: $(STAMP) ## build the documents as a site in build/site, and check its links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'The documents are in build/site/index.html.'

bench-requests: $(STAMP) ## a million requests through the server and its log, and from there through the batch path
	@$(BIN)/python -m benchmarks.requests

bench-serving: $(STAMP) ## load the server and others of the same models with wrk, by turns: half an hour
	@$(BIN)/python -m benchmarks.serving

bench-endurance: $(STAMP) ## ten minutes at 70 % of what the server can do: errors, latency and memory by minute
	@$(BIN)/python -m benchmarks.endurance

bench-skew: $(STAMP) ## faults of data, clean days and legitimate changes of the tables to develop on, and faults at sites
	@$(BIN)/python -m benchmarks.skew --set develop --only clean,faults,changes,code,environment,artifact,promotion,online

bench-skew-tables: $(STAMP) ## the same on the tables that nothing is developed on, to be run once
	@$(BIN)/python -m benchmarks.skew --set second

bench-skew-kinds: $(STAMP) ## the same on a table without a time, one of one value a day, one of few rows a day
	@$(BIN)/python -m benchmarks.skew --set third

bench-core: $(STAMP) ## time decode, row rules, features and prediction, from one row to a million
	@$(BIN)/python -m benchmarks.core

bench-lookups: $(STAMP) ## time look-ups and windows beside polars, DuckDB, pandas and Feast: a quarter of an hour
	@$(BIN)/python -m benchmarks.lookups

bench-run: $(STAMP) ## time a scoring run and the definitions against the imports they need
	@$(BIN)/python -m benchmarks.run

bench-batch: $(STAMP) ## batches of up to ten million flights: a bare script, Lockstep in units, pyfunc; two hours
	@$(BIN)/python -m benchmarks.batch

bench-faults: $(STAMP) ## kill runs, deliveries, workers and the daemon at random, and compare each rerun: 20 minutes
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.faults

bench-checks: $(STAMP) ## time what the checks add to scoring, of a day and of a million rows
	@$(BIN)/python -m benchmarks.checks

bench-overview: $(STAMP) ## time the page of ten pipelines with a year of days, by a home of the demonstration
	@$(BIN)/python -m benchmarks.overview $${LOCKSTEP_HOME:-.lockstep}

bench-walk: $(STAMP) ## count the files and functions that three scored rows pass
	@$(BIN)/python -m benchmarks.walk

bench-mutants: $(STAMP) ## make 200 small mistakes in the library, and count those that its tests find: hours
	@$(BIN)/python -m benchmarks.mutants

bench-compare: $(STAMP) ## time this checkout against an older one by turns: make bench-compare OLD=FOLDER
	@$(BIN)/python -m benchmarks.compare $(OLD)

clean: ## remove the environment, caches and build products (keeps .lockstep)
	rm -rf .venv .venv-* .peers build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted installation is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@python=; \
	for candidate in $(or $(PYTHON),python3.11 python3 python3.12 python3.13 python3.14); do \
		if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'Lockstep needs Python 3.11 or later, and none was found as python3.11 or python3.' >&2; \
		exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python lacks the venv module. On Debian or Ubuntu: apt install $$python-venv" >&2; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$($$python --version): a few minutes, once."; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear $(VENV)
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[demo,dev,docs,kubernetes,postgres]'
	@touch $@
