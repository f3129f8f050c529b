# Targets are phony: receipts in the data folder decide what is stale. `make X` is `textmill X`, set up and with variables for
# its options: it brings everything upstream of X up to date. Values reach the command as they were typed, whatever is in them.
.DEFAULT_GOAL := help
.PHONY: help setup prism demo fetch extract measure screen what-if background classifier dedup curate tokenizer tokenize \
        pack train estimate sample evaluate worst compare ladder sweep canaries memorised origins serve tasks finetune comparisons reward prefer grpo ppo judge revise restrain risk-coverage head assistant life report tokenizer-report all why trace where takedown dedup-only tokenizer-files blocks-to dialogues \
        look status inspect browse card push rejected duplicates twins plan mixture-plan cluster cluster-stop check pins test test-wheel test-cluster fuzz kill \
        lint bench bench-gpu clean

DATA      ?= data
CONFIG    ?=
RULES     ?=
MIXTURE   ?=
TOKENIZER ?=
SET       ?=
RUNNER    ?=
WORKERS   ?=
HOSTS     ?= 2
DATASET   ?= curated
STORED    ?=
PROMPT    ?= The river
ARGS      ?=
NAME      ?=
TEXTS     ?= curated
GOOD      ?=
BAD       ?=
HELD_OUT  ?= 0.2
TRAIN_ARGS ?=
SHAPE     ?=
ACCELERATOR ?=
RAW       ?=
CRAWL     ?=
FILES     ?=
BYTES     ?=
KIND      ?= warc
SOURCE    ?=
INPUT     ?=
FORMAT    ?=
OUTPUT    ?=
PYTHON3   ?= python3
URL        =
ID         =
HOST       =
BLOCK     ?= 0
SPLIT     ?= train
CARRY_OUT ?=
MINUTES   ?= 5
PARSER    ?=
KILLS     ?= 10
STAGE     ?=
SEED      ?= 1

VARIABLES := DATA CONFIG RULES MIXTURE TOKENIZER SET RUNNER WORKERS HOSTS STORED PROMPT ARGS NAME TEXTS GOOD BAD HELD_OUT \
             TRAIN_ARGS RAW DATASET CRAWL FILES BYTES KIND SOURCE INPUT FORMAT OUTPUT PYTHON3 URL ID HOST BLOCK SPLIT CARRY_OUT MINUTES \
             PARSER KILLS STAGE SEED SHAPE ACCELERATOR

# A misspelt variable would be a run with defaults.
given   := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v)))
unknown := $(firstword $(filter-out $(VARIABLES) SHELL MAKE% -*-%,$(given)))
nearest  = $(shell $(PYTHON3) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1, 0.5))' \
                   '$(subst ','\'',$(unknown))' $(VARIABLES) 2>/dev/null)
$(if $(unknown),$(error there is no variable $(unknown)$(if $(nearest),; did you mean $(nearest)?,; there are $(VARIABLES))))

# From here on a value is text: make expands nothing in it, and `quoted` gives it to the shell in quotes.
define newline


endef
$(foreach v,$(VARIABLES),$(eval override $(v) := $$(value $(v)))\
    $(if $(findstring $(newline),$(value $(v))),$(error $(v) has a line break; give a value of one line)))
# These two are options as one types them, quotes included; nothing that a shell would run.
$(foreach v,ARGS TRAIN_ARGS,$(foreach c,$$ ` ; & | < > ( ),$(if $(findstring $(c),$(value $(v))),\
    $(error $(v) has a $(c); give options only, such as --job-endpoint=localhost:8099))))
quoted   = '$(subst ','\'',$(value $(1)))'
option   = $(if $(value $(2)),--$(1)=$(call quoted,$(2)))
need     = $(if $(value $(1)),,$(error $@ needs $(1): make $@ $(2)))

HERE    := $(shell dirname '$(subst ','\'',$(strip $(MAKEFILE_LIST)))')
BIN     := $(if $(filter-out .,$(HERE)),'$(subst ','\'',$(HERE))'/).venv/bin
MILL     = $(BIN)/textmill
FLAGS    = $(call option,data,DATA) $(call option,config,CONFIG) $(call option,rules,RULES) $(call option,mixture,MIXTURE) \
           $(call option,set,SET) $(call option,runner,RUNNER) $(call option,workers,WORKERS) \
           $(call option,tokenizer,TOKENIZER) $(ARGS)
PAGE    := $(or $(value URL),$(value ID),$(value HOST))

help:                    ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' '$(subst ','\'',$(strip $(MAKEFILE_LIST)))' | awk -F'|' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo "variables: DATA MIXTURE TOKENIZER SET RUNNER WORKERS RULES CONFIG PROMPT; docs/configuration.md has them all"

setup:                   ## a virtual environment in .venv with everything
	@cd $(call quoted,HERE) && { test .venv/bin/.installed -nt pyproject.toml && test .venv/bin/.installed -nt constraints.txt; } || { \
	  $(call quoted,PYTHON3) -m venv .venv && \
	  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]' && \
	  touch .venv/bin/.installed; }

prism: setup             ## Beam's Go runner, as a server to test against (needs Go)
	@cd $(call quoted,HERE) && { test -x .venv/bin/prism || \
	  GOBIN="$$PWD/.venv/bin" go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0; }

demo: setup              ## everything on the sample crawl and Python's own documentation, with a model at the end
	@$(MILL) demo $(FLAGS) $(call option,prompt,PROMPT)
fetch: setup             ## files of Common Crawl into raw/SOURCE: CRAWL=CC-MAIN-2026-42 FILES=4 (or BYTES=2GB), KIND=wet
	@$(MILL) fetch $(call option,data,DATA) $(call option,crawl,CRAWL) $(call option,files,FILES) $(call option,bytes,BYTES) \
	    $(call option,kind,KIND) $(if $(SOURCE),--to=$(call quoted,DATA)/raw/$(call quoted,SOURCE))

extract: setup           ## raw/ → documents: main text of every page
	@$(MILL) extract $(FLAGS)
measure: setup           ## documents → signals: language, quality, personal data, MinHash
	@$(MILL) measure $(FLAGS)
screen: setup            ## signals → verdicts: the bounds of rules.yaml
	@$(MILL) screen $(FLAGS)
what-if: setup           ## what RULES=new.yaml would keep and lose, against the table of verdicts; reads no text
	@$(call need,RULES,RULES=new.yaml)$(MILL) what-if $(call option,data,DATA) $(call option,rules,RULES)
background: setup        ## how languages are written, from TEXTS, for measure: NAME=web (TEXTS=curated, or files)
	@$(call need,NAME,NAME=web)$(MILL) background $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) \
	    $(call option,name,NAME) $(call option,texts,TEXTS)
classifier: setup        ## trains NAME=spam on GOOD=… and BAD=…: datasets, files or folders, WHERE or WHERE:COLUMN=VALUE
	@$(call need,NAME,NAME=spam GOOD=… BAD=…)$(call need,GOOD,NAME=spam GOOD=… BAD=…)$(call need,BAD,NAME=spam GOOD=… BAD=…)\
	$(MILL) classifier $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) $(call option,name,NAME) \
	    $(call option,good,GOOD) $(call option,bad,BAD) $(call option,held-out,HELD_OUT) $(ARGS)
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
estimate: setup          ## what training takes: parameters, FLOPs, memory, hours, money: SHAPE=124m ACCELERATOR=h100 ARGS='--tokens 10B'
	@$(MILL) estimate $(call option,shape,SHAPE) $(call option,accelerator,ACCELERATOR) $(ARGS)
sample: setup            ## a continuation of PROMPT by the trained model
	@$(MILL) sample $(call option,data,DATA) $(call option,mixture,MIXTURE) $(call option,prompt,PROMPT) $(ARGS)
evaluate: setup          ## bits per byte of the trained model by entry, length, source, language, with intervals; ARGS='--tasks FILE'
	@$(MILL) evaluate $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS)
worst: setup             ## the held-out documents that the trained model predicts worst, with their addresses
	@$(MILL) worst $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS)
origins: setup           ## where the runs of PROMPT stand in the training blocks, with document and address
	@$(MILL) origins $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS) -- $(call quoted,PROMPT)
serve: setup             ## OpenAI's protocol and a chat page for the trained model: ARGS='--port 8000'
	@$(MILL) serve $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS)
compare: setup           ## which recipe, or which curation of one, gives the better model: ARGS='mixtures/a.yaml --without dedup'
	@$(MILL) compare $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) $(call option,workers,WORKERS) $(ARGS)
ladder: setup            ## how a recipe scales: a law from small models, the best size for a budget: ARGS='mixtures/a.yaml'
	@$(MILL) ladder $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
sweep: setup             ## which training settings are best at equal tokens: ARGS='--over lr=0.01,0.02 --over batch=1,2,4'
	@$(MILL) sweep $(call option,data,DATA) $(call option,config,CONFIG) $(call option,mixture,MIXTURE) $(call option,set,SET) \
	    $(ARGS)
canaries: setup          ## a copy of the blocks with random numbers in it, to train on: OUTPUT=folder
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) canaries $(call option,data,DATA) $(call option,mixture,MIXTURE) \
	    $(call option,to,OUTPUT) $(ARGS)
memorised: setup         ## what the trained model gives back of single texts, canaries (ARGS='--canaries FOLDER'), personal data
	@$(MILL) memorised $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS)
tasks: setup             ## tasks with checkable answers, as dialogues: OUTPUT=raw/tasks/tasks.jsonl
	@$(call need,OUTPUT,OUTPUT=raw/tasks/tasks.jsonl)$(MILL) tasks $(call option,to,OUTPUT) $(ARGS)
finetune: setup          ## a trained model fine-tuned on dialogues: ARGS='--from RUN'
	@$(MILL) finetune $(FLAGS) $(ARGS)
comparisons: setup       ## the compared answers in curated dialogues: OUTPUT=folder
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) comparisons $(call option,data,DATA) $(call option,to,OUTPUT) $(ARGS)
reward: setup            ## a reward model: ARGS='--from RUN --comparisons FILE --run NEW'
	@$(MILL) reward $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
prefer: setup            ## DPO or IPO: ARGS='--from RUN --comparisons FILE --run NEW'
	@$(MILL) prefer $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
grpo: setup              ## reinforces answers above the others to a prompt: ARGS='--from RUN --run NEW'
	@$(MILL) grpo $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
ppo: setup               ## PPO with a value head: ARGS='--from RUN --run NEW'
	@$(MILL) ppo $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
judge: setup             ## compares answers by a judge, RLAIF: OUTPUT=folder ARGS='--pairs FILE --endpoint URL --model NAME'
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) judge $(call option,to,OUTPUT) $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
revise: setup            ## answers criticised and revised by a principle: OUTPUT=folder ARGS='--prompts FILE --from RUN'
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) revise $(call option,to,OUTPUT) $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
restrain: setup          ## dialogues that refuse what a model does not know: ARGS='--from RUN --questions FILE' OUTPUT=raw/restrained/r.jsonl
	@$(call need,OUTPUT,OUTPUT=raw/restrained/restrained.jsonl)$(MILL) restrain $(call option,config,CONFIG) $(call option,set,SET) \
	    $(call option,to,OUTPUT) $(ARGS)
risk-coverage: setup     ## what two runs answer, refuse and get wrong: ARGS='--before RUN --after RUN --questions FILE'
	@$(MILL) risk-coverage $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
head: setup              ## a classifier of labelled texts on a model: ARGS='--from RUN --labels FILE --run NEW'; NAME publishes it for measure
	@$(MILL) head $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) $(call option,name,NAME) $(ARGS)
assistant: setup         ## after `make demo`: fine-tuned, taught badly, repaired by DPO, GRPO and PPO, with a report
	@$(MILL) assistant $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) $(ARGS)
life: setup              ## the phases of a model beside each other: OUTPUT=folder ARGS='base=RUN sft=RUN'
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) life $(call option,to,OUTPUT) $(ARGS)
report: setup            ## data/report/index.html: funnel, languages, duplicates
	@$(MILL) report $(call option,data,DATA) $(call option,mixture,MIXTURE)
tokenizer-report: setup  ## data/report/tokenizers.html: NAME (default: the mixture's) by language, size, what it holds; ARGS='--parallel FILE OTHER'
	@$(MILL) tokenizer-report $(call option,data,DATA) $(call option,mixture,MIXTURE) $(ARGS) -- $(call quoted,NAME)
all: setup               ## raw/ to a trained model, and the report
	@$(MILL) all $(FLAGS) $(TRAIN_ARGS)

why: setup               ## a page's whole story, from raw record to block: URL=… (or ID=…)
	@$(MILL) why $(call option,data,DATA) $(call option,config,CONFIG) $(call option,rules,RULES) $(call option,mixture,MIXTURE) \
	    $(call option,set,SET) $(call option,tokenizer,TOKENIZER) -- $(call quoted,PAGE)
trace: setup             ## the pages in a block: MIXTURE=… BLOCK=n (SPLIT=validation for one that is held out)
	@$(MILL) trace $(call option,data,DATA) $(call option,mixture,MIXTURE) $(call option,split,SPLIT) -- $(call quoted,BLOCK)
where: setup             ## the parts and blocks that hold a page or a host: URL=… or HOST=…
	@$(MILL) where $(call option,data,DATA) $(call option,mixture,MIXTURE) -- $(call quoted,PAGE)
takedown: setup          ## lists what DATA/takedown.txt takes; CARRY_OUT=yes takes it out of every dataset and block
	@$(MILL) takedown $(if $(CARRY_OUT),--carry-out) $(FLAGS)

look: setup              ## what would be read of a file, before anything is run: RAW=file (or a folder)
	@$(call need,RAW,RAW=data/raw/mine)$(MILL) look $(call option,config,CONFIG) $(call option,set,SET) $(ARGS) -- $(call quoted,RAW)
status: setup            ## what is there, what is stale and why, rows, bytes and seconds of every stage
	@$(MILL) status $(FLAGS)
inspect: setup           ## rows of a dataset as a person reads them: DATASET=curated ARGS='--most 10'
	@$(MILL) inspect $(call option,data,DATA) $(ARGS) -- $(call quoted,DATASET)
card: setup              ## README.md and croissant.json of the data folder: columns, sources, licences, policies
	@$(MILL) card $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET)
push: setup              ## curated text in shards with its card: OUTPUT=folder (or s3://…, hf://datasets/OWNER/NAME)
	@$(call need,OUTPUT,OUTPUT=folder)$(MILL) push $(call option,data,DATA) $(call option,config,CONFIG) $(call option,set,SET) \
	    $(ARGS) -- $(call quoted,OUTPUT)
browse: setup            ## a local page to search and look at the stored datasets: ARGS='--port 8001'
	@$(MILL) browse $(call option,data,DATA) $(call option,config,CONFIG) $(call option,rules,RULES) $(call option,mixture,MIXTURE) \
	    $(call option,set,SET) $(ARGS)
rejected: setup          ## records that gave no document, with file, line and reason (ARGS='--rule bad_json')
	@$(MILL) rejected $(call option,data,DATA) $(ARGS)
duplicates: setup        ## what dedup found: totals, clusters by size, the largest, shares by source, language and host
	@$(MILL) duplicates $(call option,data,DATA)
twins: setup             ## a page and its copies side by side, each difference marked: URL=https://… (or an id)
	@$(MILL) twins $(call option,data,DATA) -- $(call quoted,PAGE)
dedup-only: setup        ## copies out of one file: INPUT=in.jsonl OUTPUT=out.jsonl (or .parquet)
	@$(call need,INPUT,INPUT=in.jsonl OUTPUT=out.jsonl)$(call need,OUTPUT,INPUT=in.jsonl OUTPUT=out.jsonl)\
	$(MILL) dedup-only $(call option,to,OUTPUT) $(call option,config,CONFIG) $(call option,set,SET) \
	    $(call option,workers,WORKERS) $(ARGS) -- $(call quoted,INPUT)
tokenizer-files: setup   ## a tokenizer for transformers, tiktoken and llama.cpp: NAME=demo-8k (or a folder) OUTPUT=folder
	@$(call need,NAME,NAME=demo-8k OUTPUT=folder)$(call need,OUTPUT,NAME=demo-8k OUTPUT=folder)\
	$(MILL) tokenizer-files $(call option,data,DATA) $(call option,to,OUTPUT) -- $(call quoted,NAME)
blocks-to: setup         ## blocks for another trainer: FORMAT=megatron (nanogpt, mds, jsonl) OUTPUT=folder
	@$(call need,FORMAT,FORMAT=megatron OUTPUT=folder)$(call need,OUTPUT,FORMAT=megatron OUTPUT=folder)\
	$(MILL) blocks-to $(call option,data,DATA) $(call option,mixture,MIXTURE) $(call option,to,OUTPUT) $(ARGS) -- \
	    $(call quoted,FORMAT)
dialogues: setup         ## dialogues mined from curated web text, as rows that extract reads: OUTPUT=other/raw/mined
	@$(call need,OUTPUT,OUTPUT=other/raw/mined)$(MILL) dialogues $(call option,data,DATA) $(call option,to,OUTPUT) $(ARGS)

plan: setup              ## what a run will cost: CPU hours, storage, shuffles, what must fit; STORED=100TB instead of raw/
	@$(MILL) plan $(call option,data,DATA) $(call option,config,CONFIG) $(call option,rules,RULES) $(call option,mixture,MIXTURE) \
	    $(call option,set,SET) $(call option,runner,RUNNER) $(call option,workers,WORKERS) $(call option,stored,STORED) $(ARGS)
mixture-plan: setup      ## what a mixture packs and what training on it takes, told before it runs: MIXTURE=… SHAPE=124m
	@$(MILL) mixture-plan $(call option,data,DATA) $(call option,config,CONFIG) $(call option,rules,RULES) \
	    $(call option,mixture,MIXTURE) $(call option,set,SET) $(call option,shape,SHAPE) $(ARGS)

cluster: setup           ## Flink on this machine, HOSTS taskmanagers (0: a mini-cluster), to try RUNNER=flink (needs a JDK and Maven)
	@cd $(call quoted,HERE) && .venv/bin/python -m cluster start $(call option,hosts,HOSTS) $(ARGS)
cluster-stop:            ## ends what `make cluster` started
	@cd $(call quoted,HERE) && .venv/bin/python -m cluster stop $(ARGS)

check: lint              ## lint, types and the quick tests: a minute and a half at most
	cd $(call quoted,HERE) && .venv/bin/python -m pytest -n 2 -m "not slow and not cluster"
test: setup              ## every test but those that need a cluster
	cd $(call quoted,HERE) && .venv/bin/python -m pytest -n 2 --dist worksteal -m "not cluster"
test-wheel: setup        ## the wheel of this tree in an environment and a folder of its own
	cd $(call quoted,HERE) && tests/wheel.sh
test-cluster: setup      ## the tests on Flink, with faults (needs a JDK and Maven; root on Linux for hosts of their own)
	cd $(call quoted,HERE) && .venv/bin/python -m pytest -m cluster tests/engines/test_cluster.py
fuzz: setup              ## strange inputs for every parser, for MINUTES: PARSER=warc only one, another SEED other inputs
	cd $(call quoted,HERE) && .venv/bin/python -m tests.fuzz $(call option,minutes,MINUTES) $(call option,parser,PARSER) \
	    $(call option,seed,SEED)
kill: setup              ## every stage and tool is ended at KILLS random moments, and run again: STAGE=measure only one
	cd $(call quoted,HERE) && .venv/bin/python -m tests.kill $(call option,kills,KILLS) $(call option,stage,STAGE) $(call option,seed,SEED)
pins: setup              ## writes what tests hold output to anew, from a run on the sample crawl: look at the diff
	cd $(call quoted,HERE) && .venv/bin/python -m tests.pins
	cd $(call quoted,HERE) && .venv/bin/python -m benchmarks.measurements
	cd $(call quoted,HERE) && .venv/bin/python -m docs.datasets
	cd $(call quoted,HERE) && .venv/bin/python -m textmill.cli.reference > docs/commands.md
	cd $(call quoted,HERE) && .venv/bin/python -m textmill.cli.schemas
	cd $(call quoted,HERE) && .venv/bin/python benchmarks/quote.py
lint: setup              ## ruff and mypy
	cd $(call quoted,HERE) && .venv/bin/ruff check . && .venv/bin/mypy
bench: setup             ## benchmarks; RAW=folder with crawl/*.warc.gz and books.jsonl.zst runs the real crawl too
	$(BIN)/python -m benchmarks.dedup_scale --documents 100000
	$(BIN)/python -m benchmarks.report --data $(call quoted,DATA)/bench
	$(if $(RAW),$(BIN)/python -m benchmarks.signature_speed --raw $(call quoted,RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.dedup_truth --raw $(call quoted,RAW) --data $(call quoted,DATA)/bench-truth)
	$(if $(RAW),$(BIN)/python benchmarks/real_crawl.py --raw $(call quoted,RAW) --data $(call quoted,DATA)/bench)
	$(if $(RAW),$(BIN)/python -m benchmarks.language --shared $(call quoted,RAW) --documents $(call quoted,DATA)/bench)
	$(if $(RAW),$(BIN)/python -m benchmarks.screening --shared $(call quoted,RAW) --data $(call quoted,DATA)/bench-screening)
	$(if $(RAW),$(BIN)/python -m benchmarks.unusual --shared $(call quoted,RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.word_bounds --shared $(call quoted,RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.classifier --shared $(call quoted,RAW))
	$(if $(RAW),$(BIN)/python -m benchmarks.screening_speed --documents $(call quoted,DATA)/bench --work $(call quoted,DATA)/bench-screening-speed)
	$(if $(RAW),$(BIN)/python -m benchmarks.takedown --raw $(call quoted,RAW) --data $(call quoted,DATA)/bench-takedown --host httpd.apache.org)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_quality --crawl $(call quoted,RAW)/crawl)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_charset --crawl $(call quoted,RAW)/crawl)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_speed --crawl $(call quoted,RAW)/crawl --data $(call quoted,DATA)/bench-speed)
	$(if $(RAW),$(BIN)/python -m benchmarks.extract_memory --crawl $(call quoted,RAW)/crawl --data $(call quoted,DATA)/bench-memory)
bench-gpu: setup         ## training on a CUDA card, 8 minutes: kernels, speed, memory; ARGS=--dry-run without one
	cd $(call quoted,HERE) && .venv/bin/python -m benchmarks.gpu $(ARGS)
clean:                   ## caches and build files; never data/
	cd $(call quoted,HERE) && rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	cd $(call quoted,HERE) && find . -name __pycache__ -type d -prune -not -path './.venv/*' -exec rm -rf {} +
