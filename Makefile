# Every verb does all of its own set-up: a virtual environment in the checkout, the locked dependencies, and the
# cache of real services. Nothing needs root, Docker or an activated environment.

# Asked once, and only if the virtual environment is made.
PYTHON ?= $(eval PYTHON := $(shell sh deploy/choose_python.sh))$(PYTHON)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
POOL ?= condor
TEST_JOBS ?= 6
ARGS ?=

# Without compiled files each worker of pytest rewrites the assertions of 500 modules again: 6 s of a core for each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-process demo-maintenance up down page screenshots test test-fast unit fuzz system check format bench crash crash-queues soak hostile endings node-loss several upgrade disasters docs lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run one real workflow of 500 events, start to end  [POOL=condor|local] [REPORT=file.json]
	@POOL="$(POOL)" REPORT="$(REPORT)" $(BIN)/python -m deploy.demo

demo-process: $(READY) ## enroll a node by step lists, with a failure, a retry and a killed worker
	@$(BIN)/python -m deploy.demo.process

demo-maintenance: $(READY) ## build nine tasks from git, and run them on 20 simulated hosts  [POOL=condor|local]
	@POOL="$(POOL)" $(BIN)/python -m deploy.demo.maintenance

up: $(READY) page ## start the whole system until Ctrl-C; the next start goes on  [POOL=condor|local] [NODES=3] [DATA=dir] [FRESH=1]
	@$(BIN)/python -m deploy.local up $(if $(filter command line environment,$(origin POOL)),--pool $(POOL)) \
	  $(if $(filter command,$(origin NODES)),--nodes $(NODES)) \
	  $(if $(filter command,$(origin DATA)),--data "$(DATA)") $(if $(filter command,$(origin FRESH)),$(if $(filter 1 yes,$(FRESH)),--fresh))

page: $(READY) ## build the web page, unless it is up to date; without npm's registry, say that it is left out
	@$(BIN)/python -m deploy.page

down: $(READY) ## end the system that `make up` runs in this folder, and wait until it has ended  [DATA=dir]
	@$(BIN)/python -m deploy.local down $(if $(filter command,$(origin DATA)),--data "$(DATA)")

test: $(READY) page ## all tests, on real RabbitMQ, MongoDB and HTCondor  [ARGS='-k name'] [TEST_JOBS=8]
	@$(BIN)/python -m deploy.local prepare
	@$(BIN)/python -m tests.whole_run --numprocesses=$(TEST_JOBS) $(ARGS)

test-fast: $(READY) ## the tests that need no service, side by side, in about a minute  [ARGS='-k name']
	@$(BIN)/python -m pytest --numprocesses=auto --hypothesis-profile=fast -p no:schemathesis --quiet --no-header \
	  tests/unit tests/contract --ignore=tests/contract/conformance $(ARGS)

unit: $(READY) ## only the tests that need no service
	$(BIN)/python -m pytest -p no:schemathesis tests/unit tests/contract --ignore=tests/contract/conformance $(ARGS)

fuzz: $(READY) ## the tests that draw their examples, with twenty times as many  [ARGS='tests/unit/wms']
	@$(BIN)/python -m deploy.local prepare
	$(BIN)/python -m pytest --numprocesses=$(TEST_JOBS) -m hypothesis --hypothesis-profile=fuzz --timeout=7200 \
	  -o faulthandler_timeout=7500 $(ARGS)

system: $(READY) ## only the tests that run all processes
	$(BIN)/python -m pytest tests/system $(ARGS)

check: $(READY) ## lint, format, types, import contracts, lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.lock --check
	@$(BIN)/python -m deploy.page --check
	@$(BIN)/python -m tests.name_counts

format: $(READY) ## mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: $(READY) page ## photograph every part of the web page, light and dark, into .ewms/screenshots
	@$(BIN)/python -m deploy.local prepare
	@$(BIN)/python -m tests.screenshots

bench: $(READY) ## measure, side by side, as ratios
	$(BIN)/python -m tests.bench $(ARGS)

crash: $(READY) ## strike a running system 88 times and count what it lost  [ARGS='--runs 12 --seed 7', ARGS=engine, ARGS=trees or ARGS=jobs]
	$(BIN)/python -m tests.campaigns.crash $(ARGS)

crash-queues: $(READY) ## kill the broker 30 times just after queues were made  [ARGS='--cycles 8 --seed 7']
	$(BIN)/python -m tests.campaigns.queues $(ARGS)

soak: $(READY) ## half an hour under load: does a process of ours grow?  [MINUTES=30] [RATE=500] [REPORT=file.json]
	@MINUTES="$(MINUTES)" RATE="$(RATE)" POOL="$(POOL)" REPORT="$(REPORT)" LOGS="$(LOGS)" $(BIN)/python -m tests.campaigns.soak

hostile: $(READY) ## let one hostile user of each kind at a running system while another works  [ARGS='--kinds unread']
	$(BIN)/python -m tests.campaigns.hostile $(ARGS)

endings: $(READY) ## 60 workflows that each meet a trouble: does every one end, and say why?  [ARGS='--runs 10 --seed 7 --trouble BUG']
	$(BIN)/python -m tests.campaigns.endings $(ARGS)

node-loss: $(READY) ## finish 100 workflows whose worker node is dead: is every cluster gone soon?  [ARGS='--runs 16']
	$(BIN)/python -m tests.campaigns.node_loss $(ARGS)

several: $(READY) ## kill one part after the other of a system with NODES=3, while users work  [ARGS='--parts wms --rate 4 --pool condor']
	@$(BIN)/python -m deploy.local prepare
	$(BIN)/python -m tests.campaigns.several $(ARGS)

upgrade: $(READY) ## upgrade a running system from an earlier commit, and roll it back, while users work  [ARGS='--from HEAD~20']
	$(BIN)/python -m tests.campaigns.upgrade $(ARGS)

disasters: $(READY) ## lose the broker, the database, an access point, all data, and type what the how-to pages say  [ARGS='--scenes broker']
	$(BIN)/python -m tests.campaigns.disasters $(ARGS)

docs: $(READY) ## make HTML of the documents in build/docs; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

lock: $(READY) ## resolve the dependencies again into requirements.lock
	$(BIN)/python -m deploy.lock

clean: ## forget the virtual environment and what the tools left behind (not the cache of services)
	rm -rf $(VENV) build/docs .ewms .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache web/node_modules web/dist wms/page

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "EWMS needs Python 3.11 or newer; '$(PYTHON)' is older or missing. Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. Install it (Debian: the package python3-venv) and try again." >&2; exit 1; }
	@echo "setting up $(VENV) (once, about half a minute) ..."
	@# A moved or half-made environment is made anew; a good one only gets what it lacks. The lock is complete, and pip
	@# would not find `pydantic[email]` in its line for `pydantic`: hence --no-deps.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@{ $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
	   $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .; } || { \
	  echo "pip could not install what requirements.lock names; its own words are above. Most often this machine does" >&2; \
	  echo "not reach its package index (network, proxy), or its disk is full (df -h .). Then try again." >&2; exit 1; }
	@touch $@
