# The commands of the project. They install into .venv and write nothing outside this folder but compiled kernels.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-scale test-elsewhere same-lock check-readme lint lock audit sbom fuzz mutants bench systems seeds p4581 study docs report charts compare exps reset repair chaos clean install

run: install ## install, then run the earthquake pipeline on simulated data
	@$(BIN)/python -m reports.workspace repair
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro
	@$(BIN)/python -c 'import json; print(*json.load(open("data/quake/predictions/meta.json"))["summary"], sep="\n")'
	@echo "Pictures: plots/quake/*.png    All numbers: metrics/quake.json    Charts: .venv/bin/dvc plots show --open"

JOBS ?= 2
test: install ## the tests, on JOBS processes: make test JOBS=1
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-scale: install .venv/scale ## the tests of what runs on several machines, which `make test` leaves out: they need more packages
	$(BIN)/python -m pytest -m scale

test-elsewhere: install ## the tests as on other machines, about 40 minutes: make test-elsewhere ARGS="--list", "--quick" or names
	$(BIN)/python -m tests.elsewhere --jobs $(JOBS) $(ARGS)

same-lock: install ## the pipeline as on other machines; each run must reproduce the dvc.lock in Git: ARGS="--list" or names
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/machines.py --jobs $(JOBS) $(ARGS)

check-readme: install ## every command of the README in a fresh clone, as on a machine with other last bits: up to an hour
	$(BIN)/python -m pytest -m slow tests/test_readme.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: .venv/installed .dvc/page.html

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print("\n".join(p["project"]["dependencies"] + p["dependency-groups"]["dev"]))' > .venv/requirements.txt
	@# a wrong hash stops here; a package that this index does not have is taken as pyproject.toml asks for it, with a word
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock 2> .venv/pip.log || \
	  { cat .venv/pip.log >&2; grep -q "No matching distribution" .venv/pip.log && ! grep -q "DO NOT MATCH" .venv/pip.log && \
	    echo "requirements.lock: not all of it is to be had here; installing what pyproject.toml allows" >&2; }
	@# torch, whose build depends on the machine; of all others this finds what the line above has installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/requirements.txt
	touch $@

.venv/scale: .venv/installed requirements-scale.lock
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); print("\n".join(p["project"]["optional-dependencies"]["scale"] + p["dependency-groups"]["test-scale"]))' > .venv/requirements-scale.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-scale.lock 2> .venv/pip.log || \
	  { cat .venv/pip.log >&2; grep -q "No matching distribution" .venv/pip.log && ! grep -q "DO NOT MATCH" .venv/pip.log && \
	    echo "requirements-scale.lock: not all of it is to be had here; installing what pyproject.toml allows" >&2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/requirements-scale.txt
	touch $@

# what the targets below need has a place of its own, from which the packages of the project are visible
.venv/tools/installed: .venv/installed
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<1' 'pip-audit>=2.10,<3' 'cyclonedx-bom>=7,<8' 'mutmut>=3.8.1,<4'
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(.venv/tools/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	touch $@

UV_LOCK := .venv/tools/bin/uv pip compile - --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: .venv/tools/installed .venv/scale ## both requirements*.lock anew from pyproject.toml: all packages but torch, with the hashes of their files
	grep -v '^torch' .venv/requirements.txt | $(UV_LOCK) --output-file requirements.lock > .venv/lock.log
	@# what comes on top: the same versions of all that the other lock holds, which is not repeated
	$(UV_LOCK) --constraint requirements.lock $$(sed -n 's/^\([^ =]*\)==.*/--no-emit-package \1/p' requirements.lock) --output-file requirements-scale.lock < .venv/requirements-scale.txt > .venv/lock.log

audit: .venv/tools/installed ## known vulnerabilities of the installed packages; needs a network
	.venv/tools/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" --progress-spinner off

sbom: .venv/tools/installed ## a software bill of materials of the installed packages, CycloneDX -> sbom.json
	.venv/tools/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file sbom.json

FUZZ_SECONDS ?= 60
fuzz: install ## random input for FUZZ_SECONDS: make fuzz FUZZ_SECONDS=600
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

mutants: .venv/tools/installed ## 200 small changes of the code that decides a score: does a test fail? ARGS="--sample 100"; see docs/mutants.md
	.venv/tools/bin/python -m tests.mutants $(ARGS)

.dvc/page.html: .venv/installed reports/plots_page.py reports/page.html reports/page.js reports/style.css ## the page of `dvc plots` that works without a network
	$(BIN)/python -m reports.plots_page

report: install ## one HTML file about the workspace and experiments: make report REVS="long gru"
	$(BIN)/python -m reports.report $(REVS)

charts: install ## the charts of several revisions on one page, and which parameters differ: make charts REVS="short long"
	@$(BIN)/python -m reports.charts_page --open $(or $(REVS),workspace)

A = HEAD
B = workspace
compare: install ## two revisions as Markdown and PNG: make compare A=HEAD B=long
	@$(BIN)/python -m reports.compare $(A) $(B)

exps: install ## the experiments, their scores and parameters in 100 columns: make exps, or make exps ARGS=--all-commits
	@$(BIN)/python -m reports.experiments $(ARGS)

bench: CORE = docs/benchmarks/$$($(BIN)/python -m benchmarks._results)
bench: install ## benchmarks against the peers -> docs/benchmarks.md, which keeps those of other kinds of core
	$(BIN)/python -m benchmarks.recurrence --json $(CORE)/recurrence.json --picture $(CORE)/recurrence.png
	$(BIN)/python -m benchmarks.ingest --json $(CORE)/ingest.json --picture $(CORE)/ingest.png
	$(BIN)/python -m benchmarks.pipeline --json $(CORE)/pipeline.json --picture $(CORE)/pipeline.png
	$(BIN)/python -m benchmarks.follow --json $(CORE)/follow.json
	$(BIN)/python -m reports.benchmarks_page

systems: install ## run all other systems -> systems/metrics/*.json and the table in the README
	@$(BIN)/python -m reports.workspace repair
	cd systems && PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro
	$(BIN)/python -m reports.systems_table

seeds: install ## the exercise on five recordings with five networks each, its frontier and its floor -> docs/seeds.md; resumes
	$(BIN)/python -m benchmarks.exercise seeds floor frontier

P4581 := -S ingest.target=TimeToEndFailure -S ingest.last_cycle=drop \
	-S window.samples_per_step=1 -S 'window.statistic=[log_mean]' -S window.stride=1 -S window.batch_size=32 \
	-S train.learning_rate=0.001 -S train.learning_rate_decay=1.0 -S train.gradient_clip=500.0 \
	-S train.target_delta=0.0 -S train.max_epochs=60 -S train.patience=60 --table docs/p4581.md
SOUND := -S 'ingest.signal=[Var_Ch1]'
SHEAR := -S 'ingest.signal=[Var_Ch1,ShearStress]'
LAST_QUARTER := -S ingest.csv=data/raw/p4581.csv -S window.split=contiguous -S window.validation_fraction=0.15
BLOCKS := -S ingest.csv=data/raw/p4581-25-slips.csv -S window.split=cycles -S window.folds=5

p4581: install ## a real laboratory fault, five to ten networks each -> docs/p4581.md, which names the source of the file
	head -n 2343 data/raw/p4581.csv > data/raw/p4581-25-slips.csv
	$(BIN)/python -m benchmarks.seeds --over seed=0,1,2,3,4,5,6,7,8,9 $(P4581) $(SOUND) $(LAST_QUARTER) --marker seed
	$(BIN)/python -m benchmarks.seeds --over seed=0,1,2,3,4 $(P4581) $(SHEAR) $(LAST_QUARTER) --marker shear
	$(BIN)/python -m benchmarks.seeds --over seed=0,1,2,3,4 $(P4581) $(SOUND) $(BLOCKS) --marker blocks
	$(BIN)/python -m benchmarks.seeds --over seed=0,1,2,3,4 $(P4581) $(SHEAR) $(BLOCKS) --marker shear_blocks

study: install ## error, cost and gradient flow over seq_len and cell -> docs/study.md; resumes after an interruption
	$(BIN)/python -m benchmarks.study
	$(BIN)/python -m reports.study_words

docs: run ## update table and pictures in the README from the current metrics and plots
	$(BIN)/python -m reports.readme

reset: install ## back to the last commit: parameters, lock, metrics; outputs from DVC's cache, or computed if they are not there
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m reports.workspace reset

repair: install ## after a kill of dvc: a dvc.lock that was cut in its writing, from the last commit; `make run` does it, too
	@$(BIN)/python -m reports.workspace repair

chaos: install ## 100 kills of stages and of dvc, and every operation of every stage failing once; one to two hours
	CHAOS=100 $(BIN)/python -m pytest tests/chaos

clean: install ## remove what the pipelines made; your own files, the environment and DVC's cache stay
	@$(BIN)/python -m reports.workspace clean
