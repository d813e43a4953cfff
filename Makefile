# Glassbox's commands, one line each. `make` alone lists them; `make check` is what continuous integration runs.
# CONTRIBUTING.md lists the same commands for systems without make.

SHELL := bash
export PYTHON ?= python3
# Texts are UTF-8, whatever the locale says.
export PYTHONUTF8 := 1
GLASSBOX := $(or $(CARGO_TARGET_DIR),target)/release/glassbox
EXAMPLES := $(sort $(basename $(notdir $(wildcard crates/glassbox/examples/*.rs))))

# Tests run in their crate's folder, so a relative folder of data is made absolute here.
ifdef GLASSBOX_DATA
override GLASSBOX_DATA := $(shell cd "$(GLASSBOX_DATA)" 2>/dev/null && pwd || echo "$(GLASSBOX_DATA)")
export GLASSBOX_DATA
endif

# A failing step ends the whole, and its message stands last.
.NOTPARALLEL:
.PHONY: help check fmt fmt-check lint test cuda-check tidy kernels kernels-check mutants gpu gpu-bundle gpu-dry-run promised examples python python-torch python-versions bench-python bench-dashboard browser book dashboard-pictures torch golden bench bench-builds bench-quick exhaustive survey sheet letters results build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

check: fmt-check lint test cuda-check gpu-dry-run tidy kernels-check promised examples bench-builds python torch python-torch browser book ## everything that has to pass: what CI runs
	@tools/skips.sh
	@echo "make check: passed"

fmt: ## format the Rust code
	cargo fmt --all

fmt-check: ## fail if the Rust code is not formatted
	cargo fmt --all --check

lint: ## clippy, where a warning is an error
	cargo clippy --workspace --all-targets -- -D warnings

test: ## all tests and doctests, in release
	cargo test --release --workspace

cuda-check: ## the CUDA kernels again, with every access checked: races, bounds, unwritten memory, divergent barriers
	GLASSBOX_CUDA_SIM=check cargo test --release --package glassbox-cuda

tidy: ## the repository checks itself: arrows, first lines, lengths, stale documents
	cargo test --release --package glassbox-cli --test tidy

kernels: ## PTX of every kernel, and the table of what each takes (installs the compiler into .venv-kernels, 90 MB)
	tools/venv.sh kernels tools/kernels.py

kernels-check: ## the PTX is that of the kernels, every chip takes it, no register spills
	tools/venv.sh kernels --or-skip tools/kernels.py --check

promised: ## both recipes, seeds 0 to 4, on MNIST: the accuracies that are promised; needs GLASSBOX_DATA
	@if [ -n "$$GLASSBOX_DATA" ]; then cargo test --release --package glassbox --test learns -- --ignored; else echo "SKIPPED: GLASSBOX_DATA is not set"; fi

examples: ## build and run every example of the course, in order
	cargo build --release --package glassbox --examples
	@set -e; for name in $(EXAMPLES); do echo "── $$name"; cargo run --quiet --release --package glassbox --example $$name; done

python: build ## the Python package: built, installed into .venv-python, tested, its types checked
	tools/venv.sh python --or-skip tools/python_package.py $(GLASSBOX)

torch: build ## files go to PyTorch and back unchanged (installs it into .venv-torch, about 600 MB)
	tools/venv.sh torch --or-skip tools/torch_roundtrip.py $(GLASSBOX)

browser: build ## the dashboard in a real Chromium (installs it where that can be done): curves, controls, tabs, phone
	tools/venv.sh browser --or-skip crates/glassbox-dash/tests/browser/run.py $(GLASSBOX)

book: build ## the book: its commands run, its pictures drawn, its pages built into target/book (installs mdBook, a minute)
	$(PYTHON) -m doctest tools/book.py
	$(PYTHON) tools/book.py $(GLASSBOX)

dashboard-pictures: build ## draw the pictures of the README's dashboard
	tools/venv.sh browser crates/glassbox-dash/tests/browser/run.py --pictures docs $(GLASSBOX)

python-torch: ## the Python package beside PyTorch (after `make python`, which builds it)
	tools/venv.sh torch --or-skip tools/python_package.py --torch

python-versions: ## the Python package on every Python from 3.10 on that is at hand (after `make python`)
	$(PYTHON) tools/python_package.py --versions

letters: ## write the outlines of the letters in PNG pictures again (needs the fonts of Debian's fonts-dejavu-extra)
	tools/venv.sh letters tools/letters.py

golden: ## record the golden numbers from PyTorch again; then look at `git diff`
	tools/venv.sh torch tools/golden.py

bench: build ## Glassbox against its peers, in turn, for half an hour; writes the README's table; needs GLASSBOX_DATA
	tools/venv.sh torch bench/bench.py $(GLASSBOX)

bench-quick: build ## the same, smaller, in minutes; only prints
	tools/venv.sh torch bench/bench.py $(GLASSBOX) --quick

bench-python: build ## Glassbox from Python beside its command line, NumPy and PyTorch (after `make python-torch`); needs GLASSBOX_DATA
	tools/venv.sh torch bench/python.py $(GLASSBOX)

bench-dashboard: build ## what a dashboard with eight viewers costs the headline job, with and without in turn; needs GLASSBOX_DATA
	cargo build --release --package glassbox-dash --example viewers
	$(PYTHON) bench/dashboard.py $(GLASSBOX) $(dir $(GLASSBOX))examples/viewers

bench-builds: ## the Rust program that the bench runs beside its peers still fits the library
	$(PYTHON) -m doctest bench/dashboard.py
	cd bench && $(PYTHON) -c 'import peers, sys; sys.exit(not peers.build("ours"))'

mutants: ## plant faults in the kernels, one at a time, and count what the tests find on the simulated driver (many minutes)
	$(PYTHON) tools/mutants.py

gpu: gpu-bundle ## tests, training and timings on this machine's GPU, beside PyTorch; the report goes to bench/results
	$(PYTHON) target/gpu-bundle/run.py --out bench/results  # then tools/gpu_table.py puts its figures into the README

gpu-bundle: ## the same as a folder, target/gpu-bundle, for a machine with a GPU and Python but no cargo
	$(PYTHON) tools/gpu_bundle.py

gpu-dry-run: gpu-bundle ## the folder's run.py on the simulated driver: does all of it run?
	$(PYTHON) -m doctest bench/gpu/jobs.py
	$(PYTHON) target/gpu-bundle/run.py --dry-run

exhaustive: ## exp, ln, tanh and sigmoid on all 2^32 inputs (many minutes)
	cargo test --release --package glassbox-cpu --test math -- --ignored --nocapture

survey: build ## how often XOR is solved, by width and activation
	$(GLASSBOX) xor --survey

sheet: build ## train on the built-in digits and draw the picture of the README
	rm -rf target/sheet
	$(GLASSBOX) train --data digits --max-steps 300 --quiet --out target/sheet
	$(GLASSBOX) data show digits --model target/sheet --count 100 --out docs/digits.png

results: build ## train both recipes, seeds 0 to 4, on MNIST; record them; write the README's table
	$(PYTHON) tools/results.py $(GLASSBOX)

build:
	cargo build --release
