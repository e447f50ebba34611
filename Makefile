# One profile throughout, so that dependencies are compiled once. A flavour of libtorch: make LIBTORCH_FLAVOUR=cuda
SPEC ?= configs/quickstart.toml
CARGO ?= cargo
PYTHON ?= python3
NOTEBOOK_PYTHON ?= $(PYTHON)
API_PYTHON ?= $(PYTHON)
TENSORBOARD_PYTHON ?= $(PYTHON)
SOAK_MINUTES ?= 30
FUZZ_SECONDS ?= 60
export TORCH_PYTHON KERAS_PYTHON

BUILD = --release --locked --workspace

.DEFAULT_GOAL := run
.PHONY: run setup build test test-report test-python test-wheel test-notebook test-tensorboard test-parity test-export test-gpu test-slurm soak fuzz lint deny bench docs install wheel clean help

run: build ## set up, build and run SPEC (default: the quick start)
	@$(CARGO) run --release --locked --quiet --bin xdlreg-run -- $(SPEC)

setup: ## fetch libtorch once per user and tell cargo where it is
	@$(PYTHON) -B setup/libtorch.py

build: setup ## build the three programs
	@$(CARGO) build $(BUILD)

test: build ## run all tests
	@$(PYTHON) -B -m unittest discover --quiet setup
	@$(CARGO) test $(BUILD)

test-slurm: build ## run experiments on a real Slurm of two nodes; installs, starts and stops it (Debian, root)
	@$(PYTHON) -B tests/slurm/test_slurm.py target/release

soak: build ## run the long tests of docs/reliability.md, within SOAK_MINUTES
	@$(PYTHON) -B tests/soak.py --minutes $(SOAK_MINUTES)

fuzz: setup ## run the fuzz targets under libFuzzer, each for FUZZ_SECONDS; FUZZ="--targets npy npz" chooses
	@$(PYTHON) -B fuzz/run.py --seconds $(FUZZ_SECONDS) $(FUZZ)

test-report: setup ## test report.html in headless Chromium
	@$(CARGO) test $(BUILD) --test it -- --quiet --ignored write_a_large_study_for_the_browser
	@$(PYTHON) -B tests/browser/test_report.py

# Where cargo puts programs.
PROGRAMS = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release

# How the Python package is found without being installed.
PACKAGE = PYTHONPATH=$(CURDIR)/python XDLREG_PROGRAMS=$(abspath $(PROGRAMS))

test-python: build ## test the Python package and the examples of docs/python.md, with API_PYTHON
	@$(PACKAGE) $(API_PYTHON) -B -m unittest discover --quiet python/tests

WHEEL_PYTHONS ?= $(PYTHON)
wheel: build ## build the Python wheel into dist/
	@$(PYTHON) -B setup/wheel.py $(PROGRAMS) dist

test-wheel: wheel ## install the wheel into fresh environments of WHEEL_PYTHONS (a list), with and without the torch of TORCH_PYTHON
	@$(PYTHON) -B python/tests/wheel.py dist $(WHEEL_PYTHONS)

# Runs of the quick start, for the two tests below: done once, then taken from the store.
RUN_FOR_TESTS = $(CARGO) run --release --locked --quiet --bin xdlreg-run -- --quiet --output target/notebook

test-notebook: build ## run both notebooks with NOTEBOOK_PYTHON (with TORCH_PYTHON that of one's own network), and check their numbers
	@$(RUN_FOR_TESTS) notebook/walkthrough.toml
	@$(RUN_FOR_TESTS) configs/quickstart.toml
	@$(PACKAGE) $(NOTEBOOK_PYTHON) -B notebook/test_walkthrough.py target/notebook/walkthrough target/notebook/quickstart
	@$(PACKAGE) $(or $(TORCH_PYTHON),$(NOTEBOOK_PYTHON)) -B notebook/test_own_network.py

test-tensorboard: build ## let the TensorBoard of TENSORBOARD_PYTHON read the event files of runs
	@$(RUN_FOR_TESTS) notebook/walkthrough.toml
	@$(TENSORBOARD_PYTHON) -B tests/tensorboard/test_scalars.py target/notebook/walkthrough

test-parity: setup ## hold maps of torchvision's networks against Zennit and Captum, with TORCH_PYTHON
	@$(or $(TORCH_PYTHON),$(PYTHON)) -B tests/parity/cases.py large target/parity
	@XDLREG_PARITY=$(CURDIR)/target/parity $(CARGO) test $(BUILD) --lib -- --quiet --ignored --nocapture have_the_maps_of_zennit

test-export: build ## export networks of PyTorch (and Keras, with KERAS_PYTHON), and hold what they do here against what they do there
	@$(or $(TORCH_PYTHON),$(PYTHON)) -B tests/export/test_export.py torch $(PROGRAMS)
	@$(if $(KERAS_PYTHON),$(KERAS_PYTHON) -B tests/export/test_export.py keras $(PROGRAMS),echo "Keras is not tested: name a Python that has it in KERAS_PYTHON")
	@$(if $(INNVESTIGATE_PYTHON),$(INNVESTIGATE_PYTHON) -B tests/export/test_innvestigate.py $(PROGRAMS),echo "iNNvestigate is not tested: name a Python that has it in INNVESTIGATE_PYTHON")

test-gpu: build ## hold CUDA against the CPU, on a machine with an NVIDIA GPU
	@$(PYTHON) -B tests/gpu/test_cuda.py target/release

lint: setup ## check formatting, and clippy's advice as errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy $(BUILD) --all-targets -- --deny warnings

deny: ## check the licences, sources and bans of all dependencies with cargo-deny
	@$(PYTHON) -B setup/cargo_deny.py

bench: build ## measure README's speed table; peers where TORCH_PYTHON and KERAS_PYTHON name their Pythons
	@$(PYTHON) -B benches/run.py $(BENCH)

docs: ## build the book of docs/ into target/book, with mdBook
	@$(PYTHON) -B setup/mdbook.py docs

install: setup ## install xdlreg-run, xdlreg and xdlreg-worker for this user
	@$(CARGO) install --locked --path tensor
	@$(CARGO) install --locked --path .

clean: ## remove what was built here; results and the per-user cache stay
	@$(CARGO) clean

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
