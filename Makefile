# `make preview` sets up and shows every environment; `make test` sets up and runs every check. Both can be run again at any time.
PYTHON ?= python3
BIN := .venv/bin
# What runs the product, and what the tests need on top. A stamp is touched last, so an interrupted set-up is done again.
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
PIP := $(BIN)/pip --quiet --disable-pip-version-check
NATIVE := .venv/.native
NATIVE_SOURCES := $(shell find sink_worker/src -name '*.rs') sink_worker/Cargo.toml sink_worker/Cargo.lock.in sink_worker/pyproject.toml
FAST := tests/unit tests/contract tests/policy
# In this order: what is short comes last, so that no process waits long for another at the end.
REAL := tests/integration tests/sink/integration tests/sink/native tests/sink/unit
# The real programs of the tests; those that take longest to make come last.
PROGRAMS := java etcd kafka kafka-startup haproxy schema-registry avro-converter debezium-mariadb debezium-mysql debezium-jdbc cassandra cqlsh debezium-cassandra jmx-exporter \
  postgresql mariadb redis strimzi-crds cloudnative-pg-crds keda-crds chaos-crds compose kubectl prometheus exporters \
  monitoring-crds otel-java-agent pulumi kube-apiserver s3-gateway jaeger secret-crds vault

.PHONY: preview test check-fast check-real generated images bench clean

preview: $(RUNTIME)
	@$(BIN)/cdc preview dev
	@$(BIN)/cdc preview prod
	@$(BIN)/cdc render dev
	@$(BIN)/cdc render prod

test: check-fast check-real

check-fast: $(DEVELOPMENT)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/python -m tests.quietly $(BIN)/lint-imports
	@$(BIN)/python -m tests.quietly $(BIN)/mypy
	@$(BIN)/pytest --numprocesses 2 $(FAST)

check-real: $(NATIVE)
	@$(BIN)/python -m tests.toolchain $(PROGRAMS)
	@$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(REAL)

# What is committed and made from the code: rendered trees, the editors' schema, the catalogue of rules, golden files.
generated: $(NATIVE)
	@for stack in dev prod prod-dr; do $(BIN)/cdc render $$stack; done
	@$(BIN)/cdc schema --output docs/schema/stack.schema.json
	@$(BIN)/python -m policies.catalogue > docs/policies.md
	@$(BIN)/python -m sink_worker check-config --schema > sink_worker/settings.schema.json
	@$(BIN)/python -m sink_worker admin openapi > docs/admin-api.openapi.json
	@$(BIN)/python -m policies.hops_page prod prod-dr > docs/security.md
	@$(BIN)/python -m tests.golden.regenerate

# Both images from their Dockerfiles, by a docker engine of its own, and what must hold for them. Not part of the tests: it takes long.
images: $(DEVELOPMENT)
	@$(BIN)/python -m tests.images

bench: $(DEVELOPMENT)
	@$(BIN)/python -m bench

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "cdc-platform needs Python 3.11 or newer; set PYTHON=")'
	@$(PYTHON) -m venv .venv

$(RUNTIME): requirements/runtime.txt pyproject.toml | .venv/bin/pip
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEVELOPMENT): requirements/dev.txt $(RUNTIME)
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@echo $(CURDIR)/sink_worker/python > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sink_worker.pth"
	@touch $@

# The sink worker's decoder, which is written in Rust.
$(NATIVE): $(NATIVE_SOURCES) $(DEVELOPMENT)
	@$(BIN)/python sink_worker/lock.py restore
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/python -m tests.quietly $(BIN)/maturin develop --release --locked --skip-install \
	  --manifest-path sink_worker/Cargo.toml
	@touch $@

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache
