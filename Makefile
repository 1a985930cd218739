# The table of contents of this repository: `make help`. GNU make 3.81, which macOS ships, is enough.
#
#   make all                                       the whole paper on the pocket world, six to twelve minutes on two cores
#   make 03 PROFILE=smoke                          one notebook and whatever it reads, under another profile
#   make all PROFILE=my.yaml SET="generator.strength=0.8 dataset.val_per_cell=4"
#
# PROFILE  a name in d3s_utils/profiles or a YAML file of your own; the run is called after it
# SET      single keys on top of the profile
# ENV      "conda" uses the active conda environment (environment.yml) in place of .venv
# SEEDS    the training seeds of `make seeds`
# NB       the notebook that `make why` is asked about
# HOST, PORT  where `make annotate` serves its page

PROFILE := pocket
SET     :=
ENV     := venv
BASE_PYTHON := python3
HOST    := 127.0.0.1
PORT    := 8765
SEEDS   := 1 2 3 4
NB      :=

# The notebooks in the order in which they run, each with those whose files it reads: all the order there is. Whether one
# has to run again is for d3s_utils/notebook/fresh.py to say.
NUMBERS := 01 02 03 04 05 06
BEFORE_01 :=
BEFORE_02 := $(BEFORE_01) 01
BEFORE_03 := $(BEFORE_02) 02
BEFORE_04 := $(BEFORE_02) 02
BEFORE_05 := $(BEFORE_04) 04
BEFORE_06 := $(BEFORE_04) 04

ifeq ($(ENV),conda)
PYTHON := python
READY  := conda-env
else
PYTHON := .venv/bin/python
READY  := .venv/.ready
endif

export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONHASHSEED := 0
export D3S_HEADLESS := 1
export TQDM_MININTERVAL := 30
export GOMP_SPINCOUNT := 30000

WITH := --profile "$(PROFILE)" --set '$(SET)'
RUN  := $(PYTHON) -m d3s_utils run
OUT  := $${D3S_OUTPUTS:-outputs}/$$(basename "$(PROFILE)" | sed 's/\.ya*ml$$//')

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: all test $(NUMBERS) setup conda-env smoke dataset annotate check seeds report pdf why doctor jupyter lint \
  clean help pocket-generator

all: $(READY)  ## every figure and table of the paper, and the page that shows them
	@$(RUN) $(NUMBERS) --if-changed --report $(WITH)

$(NUMBERS): $(READY)
	@$(RUN) $(BEFORE_$@) $@ --if-changed $(WITH)

why: $(READY)  ## what has changed since a notebook last ran (NB=05), or since each of them did
	@$(RUN) $(or $(NB),$(NUMBERS)) --why $(WITH)

test: $(READY)  ## the tests, the six notebooks under the smoke profile among them
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

smoke:  ## the whole path on a handful of images: nothing it measures means anything
	@$(MAKE) all PROFILE=smoke

dataset: $(READY)  ## the images alone, as a release: shards, card, Croissant metadata, checksums; and checked
	@$(PYTHON) -m d3s_utils generate $(WITH)
	@$(PYTHON) -m d3s_utils verify "$(OUT)/dataset"

annotate: 01  ## the page on which people verify the images (HOST=0.0.0.0 for a class)
	@$(PYTHON) -m d3s_utils annotate $(WITH) --host "$(HOST)" --port "$(PORT)"

check: $(READY)  ## whether this run supports the findings of the committed reference
	@$(PYTHON) -m d3s_utils check $(WITH)

seeds: $(READY)  ## train everything again under other training seeds (SEEDS="1 2 3 4"), and measure the spread
	@$(PYTHON) -m d3s_utils seeds $(SEEDS) $(WITH)

report: $(READY)  ## join the ledger and redraw the page of this run, finished or not
	@$(PYTHON) -m d3s_utils report $(WITH)

pdf: $(READY)  ## the pages of this run on paper (outputs/<run>/pdf), printed by Chromium or Chrome where there is one
	@$(PYTHON) -m d3s_utils pdf $(WITH)

doctor: $(READY)  ## what this machine has, what it lacks, and what to do about it
	@$(PYTHON) -m d3s_utils doctor $(WITH)

jupyter: $(READY)  ## open the notebooks in JupyterLab, with sliders
	JUPYTER_CONFIG_PATH="$(CURDIR)/d3s_utils/notebook/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" D3S_HEADLESS=0 \
	$(PYTHON) -m jupyterlab --notebook-dir=notebooks

lint: $(READY)  ## check the style of the code, notebooks included
	$(PYTHON) -m ruff check .

pocket-generator: $(READY)  ## train the pocket generator again, from nothing (hours on a CPU)
	$(PYTHON) -m d3s_utils pocket-training

clean: $(READY)  ## remove this run; other runs, the reference, people's votes and the environment stay
	@$(PYTHON) -m d3s_utils clean --profile "$(PROFILE)"

help:  ## list the targets
	@echo "make TARGET [PROFILE=pocket] [SET=\"section.key=value ...\"] [ENV=conda]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-17s %s\n", $$1, $$2}' Makefile
	@echo "  01 ... 06         one notebook, and first whatever it reads"

# The environment ------------------------------------------------------------------------------------------------------

setup: $(READY)  ## make the environment; every other target does it when needed

# torch first: it decides between CPU and GPU builds, and the rest follows. For the small CPU build on a Linux machine:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup
.venv/.ready: requirements.lock pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: D3S needs Python 3.11 or later and \
	$(BASE_PYTHON) is $$($(BASE_PYTHON) -V 2>&1); name another with BASE_PYTHON=python3.12."; exit 1; }
	@$(BASE_PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(BASE_PYTHON) cannot make virtual environments; \
	on Debian and Ubuntu install them with: apt-get install python3-venv."; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(BASE_PYTHON) -m venv --clear .venv
	@echo "installing the pinned packages into .venv (minutes, once)"
	@.venv/bin/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	@.venv/bin/python -m pip install --quiet -r requirements.lock
	@.venv/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

conda-env:
	@test -n "$$CONDA_PREFIX" || { echo "error: no conda environment is active; run: conda env create -f environment.yml \
	&& conda activate d3s."; exit 1; }
	@$(PYTHON) -c 'import d3s_utils, importlib.util as u; assert u.find_spec("papermill")' || { echo "error: the active \
	environment lacks D3S; run: conda env update -f environment.yml."; exit 1; }
