# One profile throughout, so that dependencies are compiled once. A flavour of libtorch: make LIBTORCH_FLAVOUR=cuda
SPEC ?= configs/quickstart.toml
CARGO ?= cargo
PYTHON ?= python3
export TORCH_PYTHON KERAS_PYTHON

BUILD = --release --locked --workspace

.DEFAULT_GOAL := run
.PHONY: run setup build test test-report lint bench install clean help

run: build ## set up, build and run SPEC (default: the quick start)
	@$(CARGO) run --release --locked --quiet --bin xdlreg-run -- $(SPEC)

setup: ## fetch libtorch once per user and tell cargo where it is
	@$(PYTHON) -B setup/libtorch.py

build: setup ## build the three programs
	@$(CARGO) build $(BUILD)

test: build ## run all tests
	@$(PYTHON) -B -m unittest discover --quiet setup
	@$(CARGO) test $(BUILD)

test-report: setup ## test report.html in headless Chromium
	@$(CARGO) test $(BUILD) --test it -- --quiet --ignored write_a_large_study_for_the_browser
	@$(PYTHON) -B tests/browser/test_report.py

lint: setup ## check formatting, and clippy's advice as errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy $(BUILD) --all-targets -- --deny warnings

bench: build ## measure README's speed table; peers where TORCH_PYTHON and KERAS_PYTHON name their Pythons
	@$(PYTHON) -B benches/run.py $(BENCH)

install: setup ## install xdlreg-run, xdlreg and xdlreg-worker for this user
	@$(CARGO) install --locked --path tensor
	@$(CARGO) install --locked --path .

clean: ## remove what was built here; results and the per-user cache stay
	@$(CARGO) clean

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24
