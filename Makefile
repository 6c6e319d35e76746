# `make run` starts a clinic, `make test` runs every test; both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet --no-input

.PHONY: run test test-aws check chaos bench audit sbom lock docs format clean

run: $(VENV)/.run
	@exec $(BIN)/chroniccare up --demo $(ARGS)

# With COVERAGE=1, as .ci/run calls it, it fails below the bar in pyproject.toml.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal --every-route \
		$(if $(COVERAGE),--cov --cov-report=term:skip-covered) $(ARGS)

# deploy/aws on an emulator of AWS, with the tools of tests/aws/locks in .cache/aws: docs/aws.md.
test-aws: $(VENV)/.dev
	$(BIN)/python -m tests.aws.environments
	TEST_AWS=1 $(BIN)/python -m pytest tests/aws $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.checks
	$(BIN)/bandit -q -r -c pyproject.toml src
	$(BIN)/python tools/leaks.py

# The race of docs/races.md, the storm of docs/delivery-proof.md, the kills of docs/webhooks.md:
# nobody is booked twice, no message is lost or sent twice, no event lost or out of order, no request
# lost while workers are exchanged, no state that the models do not know, no undocumented answer,
# neither of /api/v1 nor of /fhir, alone and in sequences. ARGS=--small for seconds in place of minutes.
chaos: $(VENV)/.dev
	$(BIN)/python -m tests.chaos $(ARGS)
	$(BIN)/python -m tests.chaos.messages $(ARGS)
	$(BIN)/python -m tests.chaos.repeats $(ARGS)
	$(BIN)/python -m tests.chaos.webhooks $(ARGS)
	$(BIN)/python -m tests.chaos.away $(ARGS)
	$(BIN)/python -m tests.chaos.rolling $(ARGS)
	$(BIN)/python -m tests.chaos.restoring $(ARGS)
	$(BIN)/python -m tests.chaos.machines $(ARGS)
	$(BIN)/python -m tests.chaos.fuzz $(ARGS)
	$(BIN)/python -m tests.chaos.fuzz --fhir $(ARGS)
	$(BIN)/python -m tests.chaos.fuzz --stateful $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

# Before a release, where PyPI's advisories can be reached: a package that could not be asked about
# fails like one with a vulnerability.
audit: $(VENV)/.dev
	$(BIN)/python tools/vulnerabilities.py requirements.lock requirements-dev.lock

# What a release is made of, as CycloneDX: the packages, and the scripts of the console.
sbom: $(VENV)/.dev
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible --output-file dist/chroniccare.cdx.json
	$(BIN)/python -m tools.scripts_bill dist/chroniccare.cdx.json

docs: $(VENV)/.dev
	$(BIN)/python -m tests.checks --write

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make run PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

# The console's scripts of others come with npm: the system's, or that of a wheel.
$(VENV)/.run: requirements.lock pyproject.toml tools/console_scripts.py | $(VENV)/bin/python
	@echo "installing (once) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@command -v npm >/dev/null || $(PIP) install --require-hashes -r tools/node.lock || true
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python tools/console_scripts.py
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements-dev.lock
	-@$(BIN)/python tools/console_scripts.py --with-axe
	@touch $@

# Needs uv; run it after a change of the dependencies in pyproject.toml.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --no-strip-extras pyproject.toml --group build -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --no-strip-extras pyproject.toml --group build --group dev \
		-c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
