# Everything a person needs; bare `make` explains itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

# With this index torch comes without several GB of CUDA. Where the index cannot be reached, pip
# goes on without it after one short try. GPU=1 leaves the index out, so that torch has CUDA. To
# pip both builds are the same version, so the one is uninstalled before the other is installed.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
ifeq ($(GPU),1)
TORCH := $(VENV)/.torch-cuda
OTHER_TORCH := $(VENV)/.torch
TORCH_OPTIONS :=
else
TORCH := $(VENV)/.torch
OTHER_TORCH := $(VENV)/.torch-cuda
TORCH_OPTIONS := --retries 0 --timeout 5 --extra-index-url $(TORCH_INDEX)
endif

# The model inside the package, and where the pictures are drawn that it is trained on.
DEMO := src/topfive/bundles/demo
DIGITS := build/digits

.DEFAULT_GOAL := help
.PHONY: help setup run test check fault-test training-test history-test bulk-test browser-test soak compare fuzz container-test screenshots architectures digits lock docs clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.serving ## Set up and serve on port 5000; GPU=1 takes torch with CUDA
	TOPFIVE_FALLBACK_MODEL="$${TOPFIVE_FALLBACK_MODEL-digits}" \
	TOPFIVE_LOG_FORMAT="$${TOPFIVE_LOG_FORMAT-console}" $(BIN)/topfive serve

test: $(VENV)/.developing ## Set up and run the tests, with coverage
	$(BIN)/python -m pytest --cov -n 4 --dist loadfile --no-loadscope-reorder --ignore tests/container --ignore tests/browser --ignore tests/faults --ignore tests/hostile --ignore tests/training --ignore tests/unit/training --ignore tests/history --ignore tests/unit/history --ignore tests/bulk --ignore tests/unit/bulk

check: $(VENV)/.developing ## Lint, type check, import rules, generated files in step
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

fault-test: $(VENV)/.developing ## Test swaps, routes, stores, faults and hostile files on real servers
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests/faults tests/hostile

training-test: $(VENV)/.developing ## Test training, evaluation, quantization and import, with coverage
	$(BIN)/python -m pytest --cov --cov-config tests/training/coverage.toml -n 3 --dist loadfile --no-loadscope-reorder tests/training tests/unit/training

history-test: $(VENV)/.developing ## Test the history on SQLite and PostgreSQL, with coverage
	$(BIN)/python -m pytest --cov --cov-config tests/history/coverage.toml -n 2 --dist loadfile --no-loadscope-reorder tests/history tests/unit/history

bulk-test: $(VENV)/.developing ## Test bulk scoring on Ray, with coverage
	$(BIN)/python -m pytest --cov --cov-config tests/bulk/coverage.toml -n 2 --dist loadfile --no-loadscope-reorder tests/bulk tests/unit/bulk

browser-test: $(VENV)/.developing ## Test the page in headless Chromium
	$(BIN)/python -m pytest tests/browser

soak: $(VENV)/.developing ## Measure robustness for half an hour: overload, slow clients, restarts, leaks
	$(BIN)/python benchmarks/soak.py

compare: $(VENV)/.developing ## Measure topfive beside LitServe and bare Flask apps; 25 minutes
	$(BIN)/python benchmarks/compare.py

fuzz: $(VENV)/.developing ## Fuzz decoding and requests for ten minutes
	$(PIP) install --quiet -r requirements-fuzz.txt
	$(BIN)/python -m tests.fuzz.fuzz_pictures -max_total_time=300 -print_final_stats=1
	$(BIN)/python -m tests.fuzz.fuzz_requests -max_total_time=300 -print_final_stats=1

container-test: $(VENV)/.developing ## Build the images and test them (needs Docker or podman)
	$(BIN)/python -m pytest tests/container

screenshots: $(VENV)/.developing ## Take the pictures of the page again (needs Chromium and TOPFIVE_TEST_WEIGHTS)
	$(BIN)/python docs/take_screenshots.py

setup: $(VENV)/.developing ## Set up for development

docs: $(VENV)/.developing ## Write the generated documents again
	$(BIN)/python docs/generate.py

architectures: $(VENV)/.developing ## Write again what torchvision says of its classifiers
	$(BIN)/python docs/list_architectures.py

digits: $(VENV)/.developing ## Train the embedded digits model again
	$(BIN)/python docs/draw_digits.py $(DIGITS)
	rm -rf $(DIGITS)/former && mv $(DEMO)/digits/1 $(DIGITS)/former
	$(BIN)/topfive train $(DIGITS)/labels.csv --base mobilenet_v2 --recipe docs/digits.toml \
	--name digits --version 1 --models-dir $(DEMO) \
	--sample $(DIGITS)/samples/three.png --sample $(DIGITS)/samples/zero.png \
	--sample $(DIGITS)/samples/five.png --sample $(DIGITS)/samples/eight.png \
	|| { mv $(DIGITS)/former $(DEMO)/digits/1; exit 1; }
	rm $(DEMO)/digits/.training.lock

lock: $(VENV)/.developing ## Pin all requirements again, after a change in pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra serve pyproject.toml -o requirements.txt

clean: ## Delete what the other targets made, but not the models
	rm -rf $(VENV) build src/*.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(TORCH): requirements-torch.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	@if [ -e $(OTHER_TORCH) ]; then $(PIP) uninstall --quiet --yes torch torchvision; fi
	@rm -f $(OTHER_TORCH)
	$(PIP) install --quiet $(TORCH_OPTIONS) -r requirements-torch.txt
	@touch $@

$(VENV)/.serving: $(TORCH) requirements.txt pyproject.toml
	$(PIP) install --quiet -r requirements.txt
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.serving requirements-dev.txt requirements-tracing.txt requirements-heic.txt requirements-s3.txt requirements-evaluate.txt requirements-train.txt requirements-quantize.txt requirements-onnx.txt requirements-history.txt requirements-postgresql.txt requirements-parquet.txt requirements-bulk.txt
	$(PIP) install --quiet -r requirements-dev.txt
	@touch $@
