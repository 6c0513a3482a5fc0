# Every command of the project. Each target sets up what it needs first; the second time it starts at once.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
INSTALL := $(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt
BENCHMARKS := load determinism kernels model whole_model engine engine_soak router mesh gateway gpu

# Tests run in several processes, so PyTorch gets one thread in each. Tests of one group share what they start.
PYTEST := OMP_NUM_THREADS=1 $(RUN) pytest -n auto --maxprocesses 4 --dist loadgroup

# What `make run` may be told behind it; in the environment these names mean other things.
MODE = cluster
MODEL =
HTTP_PORT =
GRPC_PORT =
CONTROLLER_PORT =
ifeq ($(filter cluster single,$(MODE)),)
$(error MODE is '$(MODE)'; it can be cluster or single)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test again check docs format bench gpu chaos protos constraints clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/$(MODE).installed ## Serve the demo model as a mesh, and ask it three questions; MODE=single: without Ray
	@$(RUN) examples.first_run --mode $(MODE) $(if $(MODEL),--model $(MODEL)) \
	  $(if $(HTTP_PORT),--http-port $(HTTP_PORT)) $(if $(GRPC_PORT),--grpc-port $(GRPC_PORT)) \
	  $(if $(CONTROLLER_PORT),--controller-port $(CONTROLLER_PORT))

test: $(VENV)/test.installed ## Run the tests
	@$(RUN) tools.o200k
	@$(PYTEST)

again: $(VENV)/test.installed ## Run only the tests that failed last, one after the other
	@OMP_NUM_THREADS=1 $(RUN) tools.again

check: $(VENV)/check.installed ## Lint, format, types, floors, protocol, the docs: what CI checks
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/buf lint
	$(VENV)/bin/buf breaking --against protos/baseline.binpb
	$(RUN) tools.check_links
	$(RUN) tools.docs --check

docs: $(VENV)/check.installed ## Make the parts of the pages that are made: tables of keys, commands, APIs, results
	@$(RUN) tools.docs

format: $(VENV)/check.installed ## Mend what ruff can mend
	$(RUN) ruff check --fix-only
	$(RUN) ruff format

bench: $(VENV)/bench.installed $(VENV)/peers.installed ## Run every benchmark in its quick form; results in build/
	@mkdir -p build
	@set -e; for name in $(BENCHMARKS); do $(RUN) benchmarks.$$name --quick --json build/$$name.json; done

gpu: ## On a GPU machine with torch and Triton: kernels and whole models, in under 8 minutes
	@$(PYTHON) -m benchmarks.gpu --json benchmarks/results/gpu.json

chaos: $(VENV)/test.installed ## Trouble a mesh under load for some minutes; no token may be lost, repeated or changed
	@$(RUN) tests.cluster.chaos

protos: $(VENV)/check.installed ## Generate protos/gen from the .proto files
	@$(RUN) tools.protos

constraints: $(VENV)/pip.pinned ## Resolve every version anew into constraints.txt
	@$(RUN) tools.pin

clean: ## Remove all that these commands made, the virtual environment too
	rm -rf $(VENV) run build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# These extras hold others, as pyproject.toml has it; what is there need not be installed again.
test_holds := single cluster bench
check_holds := test single cluster bench

# An interrupted installation leaves no stamp, so the next call finishes it.
$(VENV)/%.installed: pyproject.toml constraints.txt $(VENV)/pip.pinned
	@echo "Installing extra '$*' into $(VENV) (the first time PyTorch with CUDA: minutes, and 5 GB of disk)"
	@(while sleep 3; do printf .; done) & dots=$$!; trap "kill $$dots; echo" EXIT; trap 'exit 130' INT TERM; \
	$(INSTALL) --build-constraint constraints.txt -e '.[$*]' || { \
	  echo "Extra '$*' could not be installed; above pip says why. Without a way to PyPI: PIP_INDEX_URL names" >&2; \
	  echo "another index, PIP_FIND_LINKS a folder of wheels. Without room: 'df -h .' shows how much there is." >&2; \
	  echo "The same command again goes on from here." >&2; exit 1; }
	@touch $(foreach extra,$* $($*_holds),$(VENV)/$(extra).installed)

$(VENV)/pip.pinned: constraints.txt | $(VENV)/created
	@$(INSTALL) pip
	@touch $@

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ExpertMesh needs Python 3.11 or newer, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install one, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
