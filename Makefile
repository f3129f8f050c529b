# Targets are phony: receipts in the data folder decide what is stale. `make X` is `textmill X`, set up and with variables for
# its options: it brings everything upstream of X up to date.
.DEFAULT_GOAL := help
.PHONY: help setup prism demo fetch extract measure screen what-if background classifier dedup curate tokenizer tokenize \
        pack train sample report all why trace where takedown dedup-only duplicates twins plan cluster cluster-stop check test test-wheel test-cluster lint \
        bench clean

DATA      ?= data
CONFIG    ?= settings.yaml
RULES     ?= rules.yaml
MIXTURE   ?= mixtures/demo.yaml
TOKENIZER ?=
RUNNER    ?= local
WORKERS   ?=
HOSTS     ?= 2
STORED    ?=
PROMPT    ?= The river
ARGS      ?=
NAME      ?=
TEXTS     ?= curated
GOOD      ?=
BAD       ?=
HELD_OUT  ?= 0.2
TRAIN_ARGS ?=
RAW       ?=
CRAWL     ?=
FILES     ?=
BYTES     ?=
KIND      ?= warc
SOURCE    ?= $(subst /,-,$(CRAWL))$(if $(filter wet,$(KIND)),-wet)
PYTHON3   ?= python3
URL        =
ID         =
HOST       =
BLOCK     ?= 0
SPLIT     ?= train
CARRY_OUT ?=
PAGE       = $(or $(URL),$(ID),$(HOST))

export PROMPT PAGE
BIN    := .venv/bin
MILL    = $(BIN)/textmill
FLAGS   = --data $(DATA) --config $(CONFIG) --rules $(RULES) --mixture $(MIXTURE) --runner $(RUNNER) \
          $(if $(WORKERS),--workers $(WORKERS)) $(if $(TOKENIZER),--tokenizer $(TOKENIZER)) $(ARGS)

help:                    ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo "variables: DATA MIXTURE TOKENIZER RUNNER WORKERS RULES CONFIG PROMPT (what they are now: DATA=$(DATA) MIXTURE=$(MIXTURE))"

setup: $(BIN)/.installed ## a virtual environment in .venv with everything
$(BIN)/.installed: pyproject.toml constraints.txt
	$(PYTHON3) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	touch $@

prism: setup             ## Beam's Go runner, as a server to test against (needs Go)
	@test -x $(BIN)/prism || GOBIN=$(abspath $(BIN)) go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0

demo: setup              ## everything on the sample crawl and Python's own documentation, with a model at the end
	@$(MILL) demo $(FLAGS) --prompt "$$PROMPT"
fetch: setup             ## files of Common Crawl into raw/SOURCE: CRAWL=CC-MAIN-2026-42 FILES=4 (or BYTES=2GB), KIND=wet
	@$(MILL) fetch --crawl "$(CRAWL)" --files "$(FILES)" --bytes "$(BYTES)" --kind "$(KIND)" --to "$(DATA)/raw/$(SOURCE)"

extract: setup           ## raw/ → documents: main text of every page
	@$(MILL) extract $(FLAGS)
measure: setup           ## documents → signals: language, quality, personal data, MinHash
	@$(MILL) measure $(FLAGS)
screen: setup            ## signals → verdicts: the bounds of rules.yaml
	@$(MILL) screen $(FLAGS)
what-if: setup           ## what RULES=new.yaml would keep and lose, against the table of verdicts; reads no text
	@$(MILL) what-if --data $(DATA) --rules $(RULES)
background: setup        ## how languages are written, from TEXTS, for measure: NAME=web (TEXTS=curated, or files)
	@$(MILL) background --data $(DATA) --config $(CONFIG) --name "$(NAME)" --texts "$(TEXTS)"
classifier: setup        ## trains NAME=spam on GOOD=… and BAD=…: datasets, files or folders, WHERE or WHERE:COLUMN=VALUE
	@$(MILL) classifier --data $(DATA) --config $(CONFIG) --name "$(NAME)" --good "$(GOOD)" --bad "$(BAD)" --held-out $(HELD_OUT) $(ARGS)
dedup: setup             ## → duplicates: copies by record, URL, content and verified similarity
	@$(MILL) dedup $(FLAGS)
curate: setup            ## → curated: kept texts, edited and cut into pieces
	@$(MILL) curate $(FLAGS)
tokenizer: setup         ## trains data/tokenizers/TOKENIZER on curated text
	@$(MILL) tokenizer $(FLAGS)
tokenize: setup          ## curated → tokens (trains the tokenizer only where there is none)
	@$(MILL) tokenize $(FLAGS)
pack: setup              ## tokens + MIXTURE → blocks
	@$(MILL) pack $(FLAGS)
train: setup             ## trains the bundled model on the blocks
	@$(MILL) train $(FLAGS) $(TRAIN_ARGS)
sample: setup            ## a continuation of PROMPT by the trained model
	@$(MILL) sample --data $(DATA) --mixture $(MIXTURE) --prompt "$$PROMPT"
report: setup            ## data/report/index.html: funnel, languages, duplicates
	@$(MILL) report --data $(DATA) --mixture $(MIXTURE)
all: setup               ## raw/ to a trained model, and the report
	@$(MILL) all $(FLAGS) $(TRAIN_ARGS)

why: setup               ## a page's whole story, from raw record to block: URL=… (or ID=…)
	@$(MILL) why --data $(DATA) --config $(CONFIG) --rules $(RULES) --mixture $(MIXTURE) $(if $(TOKENIZER),--tokenizer $(TOKENIZER)) -- "$$PAGE"
trace: setup             ## the pages in a block: MIXTURE=… BLOCK=n (SPLIT=validation for one that is held out)
	@$(MILL) trace --data $(DATA) --mixture $(MIXTURE) --split $(SPLIT) -- $(BLOCK)
where: setup             ## the parts and blocks that hold a page or a host: URL=… or HOST=…
	@$(MILL) where --data $(DATA) --mixture $(MIXTURE) -- "$$PAGE"
takedown: setup          ## lists what DATA/takedown.txt takes; CARRY_OUT=yes takes it out of every dataset and block
	@$(MILL) takedown $(if $(CARRY_OUT),--carry-out) $(FLAGS)

duplicates: setup        ## what dedup found: totals, clusters by size, the largest, shares by source, language and host
	@$(MILL) duplicates --data $(DATA)
twins: setup             ## a page and its copies side by side, each difference marked: URL=https://… (or an id)
	@$(MILL) twins --data $(DATA) -- "$$PAGE"
dedup-only: setup        ## copies out of one file: INPUT=in.jsonl OUTPUT=out.jsonl (or .parquet)
	@$(MILL) dedup-only $(INPUT) --to $(OUTPUT) $(if $(WORKERS),--workers $(WORKERS))

plan: setup              ## what a run will cost: CPU hours, storage, shuffles, what must fit; STORED=100TB instead of raw/
	@$(MILL) plan --data $(DATA) --config $(CONFIG) --rules $(RULES) --mixture $(MIXTURE) --runner $(RUNNER) \
	    $(if $(WORKERS),--workers $(WORKERS)) $(if $(STORED),--stored $(STORED)) $(ARGS)

cluster: setup           ## Flink on this machine, HOSTS taskmanagers (0: a mini-cluster), to try RUNNER=flink (needs a JDK and Maven)
	@$(BIN)/python -m cluster start --hosts $(HOSTS) $(ARGS)
cluster-stop:            ## ends what `make cluster` started
	@$(BIN)/python -m cluster stop $(ARGS)

check: lint              ## lint, types and the quick tests: a minute and a half at most
	$(BIN)/python -m pytest -n 2 -m "not slow and not cluster"
test: setup              ## every test but those that need a cluster
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not cluster"
test-wheel: setup        ## the wheel of this tree in an environment and a folder of its own
	tests/wheel.sh
test-cluster: setup      ## the tests on Flink, with faults (needs a JDK and Maven; root on Linux for hosts of their own)
	$(BIN)/python -m pytest -m cluster tests/engines/test_cluster.py
lint: setup              ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/mypy
bench: setup             ## benchmarks; RAW=folder with crawl/*.warc.gz and books.jsonl.zst runs the real crawl too
	$(BIN)/python -m benchmarks.dedup_scale --documents 100000
	$(if $(RAW),$(BIN)/python -m benchmarks.signature_speed --raw $(RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.dedup_truth --raw $(RAW) --data $(DATA)/bench-truth)
	$(if $(RAW),$(BIN)/python benchmarks/real_crawl.py --raw $(RAW) --data $(DATA)/bench)
	$(if $(RAW),$(BIN)/python -m benchmarks.language --shared $(RAW) --documents $(DATA)/bench)
	$(if $(RAW),$(BIN)/python -m benchmarks.screening --shared $(RAW) --data $(DATA)/bench-screening)
	$(if $(RAW),$(BIN)/python -m benchmarks.classifier --shared $(RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.screening_speed --documents $(DATA)/bench --work $(DATA)/bench-screening-speed)
	$(if $(RAW),$(BIN)/python -m benchmarks.takedown --raw $(RAW) --data $(DATA)/bench-takedown --host httpd.apache.org)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_quality --crawl $(RAW)/crawl)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_charset --crawl $(RAW)/crawl)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_speed --crawl $(RAW)/crawl --data $(DATA)/bench-speed)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_memory --crawl $(RAW)/crawl --data $(DATA)/bench-memory)
clean:                   ## caches and build files; never data/
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -not -path './.venv/*' -exec rm -rf {} +
