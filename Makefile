# Everything by name. Needs Python 3.10 with venv, GCC 11 or clang 14, and make, or newer; the rest comes with pip.
#
#   make demo    install the core and render a drive through a synthetic town into out/
#   make test    install everything that needs no GPU and run the tests (six minutes on two small cores)
#   make test-slow
#                the tests with sanitizers, emulators, other compilers and long chains of commands
#   make studio  paint layouts in the browser, at http://127.0.0.1:8000
#   make soak    run 20,000 frames, and eight browsers for a minute, and watch the memory
#   make bench   speed beside what one would use instead, as ratios (half an hour; BENCH_JSON=file for JSON)
#   make test-gpu, make bench-gpu
#                on a machine with an NVIDIA GPU and nvcc: the tests of the CUDA kernels, minutes of benchmark
#   make lint    style, types and format

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt

BUILD_FILES := pyproject.toml constraints.txt CMakeLists.txt $(shell find runtime/native -type f)
PACKAGE_FILES := $(shell find layoutrt train export calib runtime -type f -not -name '*.pyc')

# A development installation serves for everything, and must not be replaced by a plain one.
INSTALLED := $(or $(wildcard $(VENV)/.installed-dev),$(VENV)/.installed)

# Another Python that has layoutrt and its own torch for CUDA, as on a Jetson.
GPU_PYTHON ?= $(BIN)/python

PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --durations=25

.PHONY: setup setup-dev demo studio test test-slow test-gpu soak bench bench-gpu lint clean

setup: $(INSTALLED)

setup-dev: $(VENV)/.installed-dev

demo: setup
	$(BIN)/layoutrt demo

studio: setup-dev
	$(BIN)/layoutrt studio

test: setup-dev
	$(PYTEST) -m "not slow"

test-slow: setup-dev
	$(PYTEST) -m slow

soak: setup-dev
	LAYOUTRT_SOAK_FRAMES=20000 LAYOUTRT_SOAK_SECONDS=60 $(BIN)/python -m pytest -s tests/native/test_soak.py \
	  tests/runtime/test_studio_soak.py

bench: setup-dev
	$(BIN)/python -m benchmarks

test-gpu: $(if $(filter $(BIN)/python,$(GPU_PYTHON)),setup-dev)
	$(GPU_PYTHON) -m pytest -n 0 -m gpu tests/gpu tests/operators/test_triton.py

bench-gpu: $(if $(filter $(BIN)/python,$(GPU_PYTHON)),setup-dev)
	$(GPU_PYTHON) -m benchmarks --only gpu

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/language_rules.py
	$(BIN)/pytest -q tests/test_imports.py
	$(BIN)/clang-format --dry-run -Werror $$(find runtime/native tests/native -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "error: $(PYTHON) is older than Python 3.10; name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BUILD_FILES) $(PACKAGE_FILES) | $(BIN)/python
	$(PIP) .
	@touch $@

# Python sources are used in place; only the native library has to be built again.
$(VENV)/.installed-dev: $(BUILD_FILES) | $(BIN)/python
	$(PIP) -e '.[train,studio,dev]'
	@touch $@
