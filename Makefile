# `make help` lists what there is. Everything is installed into .venv; stamps in it say what is done, so
# that a second run needs no network.

# Debian's packages that the tests need.
SYSTEM_PACKAGES = chromium-headless-shell,chromium curl libfaketime postgresql

# Three at a time on two cores: many tests wait; with more, those that measure time would suffer.
PYTEST = .venv/bin/pytest -n 3 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run test test-fast bench check lint format types coverage screenshots soak fuzz system clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf 'make %-12s %s\n' "$$name" "$$text"; done

run: .venv/.project  ## Set up and run the service against an imitation of Kameo
	# One page at a time, so that they can be watched coming in.
	KAMEO_MAX_CONCURRENCY=1 .venv/bin/kameo-async serve --sandbox

test: .venv/.dev system  ## Set up, check, and run every test
	$(MAKE) --no-print-directory check
	$(PYTEST)

test-fast: .venv/.dev  ## Run the tests that need neither a browser nor a database
	$(PYTEST) -m 'not browser and not database and not system'

check: lint format types  ## Check style, format and types

lint: .venv/.dev
	.venv/bin/ruff check

format: .venv/.dev
	.venv/bin/ruff format --check

types: .venv/.dev
	.venv/bin/mypy --strict

coverage: .venv/.dev system  ## Run every test and show which lines none of them reaches
	$(PYTEST) --cov --cov-report=term

screenshots: .venv/.dev system  ## Take pictures of the page
	.venv/bin/python -m tests.browser.screenshots

soak: .venv/.dev  ## Run the service under everything at once (SECONDS=600)
	.venv/bin/python -m tests.soak $(or $(SECONDS),600)

fuzz: .venv/.dev  ## Look for trouble with more examples than the tests have time for, half an hour at most
	KAMEO_ASYNC_FUZZ_EXAMPLES=500 HYPOTHESIS_PROFILE=fuzz timeout 1800 .venv/bin/pytest -q -p no:xdist --timeout 900 \
		tests/test_schemathesis.py tests/test_kameo_reading.py tests/test_kameo_rows.py tests/test_teaser.py \
		tests/test_export.py tests/test_jobs_size.py

bench: .venv/.dev  ## Measure speed and memory, some minutes of an idle machine; writes docs/performance.*
	.venv/bin/python -m pip install --quiet --group bench
	@.ci/debian wrk redis-server postgresql || true
	.venv/bin/python -m tests.benchmarks

clean:  ## Remove the environment and everything that was made
	rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system:
	@.ci/debian $(SYSTEM_PACKAGES)

.venv/.pip:
	.ci/venv
	@touch $@

.venv/.project: .venv/.pip pyproject.toml
	.venv/bin/python -m pip install --quiet --editable .
	@touch $@

.venv/.dev: .venv/.project
	.venv/bin/python -m pip install --quiet --group dev
	@touch $@
