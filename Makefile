# make demo: segment the bundled example.   make lesson: make a page for a class.   make test: run the tests.
# Each sets up all it needs, below .venv.
#
# PYTHON names the interpreter (3.10 or newer). Where packages come from is pip's own configuration; on Linux, one that
# offers a CPU build of torch saves some gigabytes.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install
READY := .venv/.ready

.PHONY: demo demo-shared lesson study test test-older lint setup clean distclean

demo: $(READY)
	$(BIN)/sam2-volume-seg demo

# The same table for the CTs in the folder that SAM2VOLUMESEG_DATA names.
demo-shared: $(READY)
	@test -d "$(SAM2VOLUMESEG_DATA)" || { echo "Set SAM2VOLUMESEG_DATA to the folder with the CTs."; exit 1; }
	$(BIN)/sam2-volume-seg demo --data "$(SAM2VOLUMESEG_DATA)"

# A page on which a class sees what the model remembers, of a synthetic CT. It needs no network, and no server.
lesson: $(READY)
	$(BIN)/sam2-volume-seg lesson --phantom --output lesson.html

# All experiments with the demonstration model on the CT that tptbox brings, some minutes, and their report. It goes on
# where it was stopped; SAM2VolumeSegLib/research/study/README.md says how to run it on your own data.
study: $(READY)
	$(BIN)/sam2-volume-seg study run all --data tptbox --model demo --results study-output
	$(BIN)/sam2-volume-seg study report study-output --out study-output/report

test: $(READY)
	$(BIN)/python -m pytest

# The numeric tests again, as torch, oneDNN and MKL compute on a processor without AVX. Numbers that depend on the
# processor show in one of the two runs. Testing/engine/measure_spread.py says by how much they may differ.
test-older: $(READY)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 $(BIN)/python -m pytest -m numeric

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: $(READY)

# The stamp goes first and comes back last: a set-up that broke off is done again.
$(READY): requirements.txt pyproject.toml Makefile
	@rm -f $@
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv: some minutes the first time, most of them for torch."
	$(PIP) --constraint requirements.txt setuptools wheel torch
	SAM2_BUILD_CUDA=0 $(PIP) --quiet --no-build-isolation --no-deps --requirement requirements.txt
	$(PIP) --quiet --no-build-isolation --no-deps --editable .
	@touch $@

clean:
	rm -rf build dist demo-output *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
