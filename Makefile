# The table of contents of this repository: `make help`. GNU make 3.81, which macOS ships, is enough.
#
#   make all                                       the whole paper on the pocket world, six to twelve minutes on two cores
#   make 03 PROFILE=smoke                          one notebook and whatever it reads, under another profile
#   make all PROFILE=my.yaml SET="generator.strength=0.8 dataset.val_per_cell=4"
#
# PROFILE  a name in d3s_utils/profiles or a YAML file of your own; the run is called after it
# SET      single keys on top of the profile
# ENV      "conda" uses the active conda environment (environment.yml) in place of .venv
# HOST, PORT  where `make annotate` serves its page

PROFILE := pocket
SET     :=
ENV     := venv
BASE_PYTHON := python3
HOST    := 127.0.0.1
PORT    := 8765

RUN  := $(patsubst %.yml,%,$(patsubst %.yaml,%,$(notdir $(PROFILE))))
OUT  := $(if $(D3S_OUTPUTS),$(D3S_OUTPUTS),outputs)/$(RUN)
EXEC := $(OUT)/notebooks

SOURCES  := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
EXECUTED := $(SOURCES:notebooks/%=$(EXEC)/%)
NUMBERS  := 01 02 03 04 05 06
SETTINGS := $(OUT)/.settings.yaml
REPORT   := $(OUT)/html/index.html

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

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all test $(NUMBERS) setup conda-env smoke dataset annotate check report doctor jupyter lint clean help pocket-generator FORCE

all: $(REPORT)  ## every figure and table of the paper, and the page that shows them
	@echo "$(REPORT) is up to date"

test: $(READY)  ## the tests, the six notebooks under the smoke profile among them
	$(PYTHON) -m pytest

smoke:  ## the whole path on a handful of images: nothing it measures means anything
	@$(MAKE) all PROFILE=smoke

dataset: $(READY)  ## the images alone, as a release: shards, card, Croissant metadata, checksums; and checked
	@$(PYTHON) -m d3s_utils generate $(WITH)
	@$(PYTHON) -m d3s_utils verify $(OUT)/dataset

annotate: $(EXEC)/01_generation.ipynb  ## the page on which people verify the images (HOST=0.0.0.0 for a class)
	@$(PYTHON) -m d3s_utils annotate $(WITH) --host "$(HOST)" --port "$(PORT)"

check: $(READY)  ## whether this run supports the findings of the committed reference
	@$(PYTHON) -m d3s_utils.check $(WITH)

report: $(READY)  ## join the ledger and redraw the page of this run, finished or not
	@$(PYTHON) -m d3s_utils.report $(WITH)

doctor: $(READY)  ## what this machine has, what it lacks, and the mend
	@$(PYTHON) -m d3s_utils.doctor $(WITH)

jupyter: $(READY)  ## open the notebooks in JupyterLab, with sliders
	D3S_HEADLESS=0 $(PYTHON) -m jupyterlab --notebook-dir=notebooks

lint: $(READY)  ## check the style of the code, notebooks included
	$(PYTHON) -m ruff check .

pocket-generator: $(READY)  ## train the pocket generator again, from nothing (hours on a CPU)
	$(PYTHON) -m d3s_utils.pocket.training

clean:  ## remove this run; other runs, the reference and the environment stay
	@test "$(RUN)" != reference || { echo "outputs/reference is committed and stays"; exit 1; }
	@! test -e "$(OUT)/annotation/votes.sqlite" || { echo "$(OUT)/annotation holds what people voted; move it away first."; exit 1; }
	@! grep -qsE '(^|,)"?(local|mturk)"?[[:space:]]*(,|$$)' "$(OUT)/votes.csv" || { echo "$(OUT)/votes.csv holds people's votes; move it away first."; exit 1; }
	rm -rf "$(OUT)"

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
	@$(PYTHON) -c 'import d3s_utils, papermill' || { echo "error: the active environment lacks D3S; run: conda env update -f \
	environment.yml."; exit 1; }

# The run --------------------------------------------------------------------------------------------------------------

# The resolved profile. Looked at each time, written only if a setting changed: then, and only then, notebooks run again.
$(SETTINGS): FORCE | $(READY)
	+@$(PYTHON) -m d3s_utils.run --settings $(WITH)

$(EXEC)/%.ipynb: notebooks/%.ipynb $(SETTINGS) | $(READY)
	@$(PYTHON) -m d3s_utils.run $< $(WITH)

$(REPORT): $(EXECUTED) d3s_utils/report.py $(wildcard d3s_utils/pages/*)
	@$(PYTHON) -m d3s_utils.report $(WITH)

define numbered
$(1): $(filter $(EXEC)/$(1)_%,$(EXECUTED))
endef
$(foreach number,$(NUMBERS),$(eval $(call numbered,$(number))))

# Who reads what: the sources a notebook executes, then the notebooks whose files it reads. A test compares this with the
# imports. Whatever is dear (images, checkpoints, predictions) is cached by its own recipe, so a re-run mostly re-plots.
in = $(addprefix d3s_utils/,$(1))
GROUND  := $(call in,__init__.py _compat.py errors.py paths.py seeds.py parallel.py settings.py profile.py stats.py tables.py \
	runs.py claims.py imagenet.py pictures.py layouts.py taxonomy.py dataset.py release.py guides.py recipes/__init__.py figures/__init__.py \
	figures/d3s.mplstyle)
WORLD   := $(call in,sources.py files.py masks.py photos.py manifest.py pocket/__init__.py pocket/raster.py pocket/foregrounds.py \
	pocket/backgrounds.py pocket/world.py generation.py cluster.py sums.py classifiers.py \
	pocket/muon.py)
JUDGE   := $(call in,pocket/__init__.py pocket/judge.py pocket/locator.py) $(wildcard d3s_utils/pocket/weights/judge/*)
GENERATOR := $(WORLD) $(wildcard d3s_utils/pocket/weights/generator/*/*)
FEATURES := $(call in,features.py votes.py)
SPLIT   := $(WORLD) $(JUDGE) $(FEATURES) $(call in,penalties.py disentangle.py workers.py)

$(EXECUTED): $(GROUND)
$(EXEC)/01_generation.ipynb: $(GENERATOR) $(JUDGE) $(call in,realism.py standard.py clip_agreement.py zoo.py zoo.csv templates.txt \
	templates_places.txt figures/generation.py widgets.py)
$(EXEC)/02_human_verification.ipynb: $(WORLD) $(JUDGE) $(wildcard d3s_utils/annotation/*.py) $(call in,annotators.py votes.py \
	agreement.py figures/verification.py predictions.py zoo.py zoo.csv templates.txt) $(wildcard $(OUT)/votes.csv)
$(EXEC)/03_classifier_evaluation.ipynb: $(WORLD) $(call in,zoo.py zoo.csv templates.txt votes.py \
	predictions.py gaps.py figures/evaluation.py widgets.py agreement.py annotation/__init__.py annotation/plan.py \
	annotation/store.py annotation/task.py)
$(EXEC)/04_disentanglement_training.ipynb: $(SPLIT) $(call in,figures/disentanglement.py)
$(EXEC)/05_disentanglement_probe.ipynb: $(GENERATOR) $(SPLIT) $(call in,probes.py invariance.py figures/probe.py)
$(EXEC)/06_spurious_correlation.ipynb: $(FEATURES) $(call in,probes.py spurious.py figures/spurious.py)

$(EXEC)/02_human_verification.ipynb: $(EXEC)/01_generation.ipynb
$(EXEC)/03_classifier_evaluation.ipynb: $(EXEC)/02_human_verification.ipynb
$(EXEC)/04_disentanglement_training.ipynb: $(EXEC)/02_human_verification.ipynb
$(EXEC)/05_disentanglement_probe.ipynb: $(EXEC)/04_disentanglement_training.ipynb
$(EXEC)/06_spurious_correlation.ipynb: $(EXEC)/04_disentanglement_training.ipynb
