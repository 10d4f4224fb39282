VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
DATA ?= .data

.DEFAULT_GOAL := help
.PHONY: help
help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 16

$(VENV)/installed: requirements.txt requirements-dev.txt
	@python=$(or $(PYTHON),$$(scripts/newest-python)) && echo "Installing into $(VENV) with $$python (once, about half a minute) ..." && $$python -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

# Not from the environment, where some shells keep the machine's name: only who asks is heard beyond loopback.
HOST = 127.0.0.1
S3_PORT = 0
DYNAMODB_PORT = 0

.PHONY: run
run: $(VENV)/installed ## run the service here: PORT, DATA, HOST, S3_PORT, DYNAMODB_PORT
	@exec $(BIN)/python -m dev run --data "$(DATA)" --port "$(PORT)" --host "$(HOST)" --s3-port "$(S3_PORT)" --dynamodb-port "$(DYNAMODB_PORT)"

.PHONY: samples
samples: $(VENV)/installed ## load the sample photographs into the running service: PORT or URL
	@$(BIN)/python -m dev samples --url "$(or $(URL),http://127.0.0.1:$(PORT))"

.PHONY: up
up: ## start LocalStack in Docker, and wait until it is well
	@scripts/compose up --detach --wait

.PHONY: down
down: ## stop what `make up` started
	@scripts/compose down

STAGE ?= local

.PHONY: deploy destroy
deploy: $(VENV)/installed ## deploy to LocalStack, or to AWS: STAGE (local, dev, prod)
	@$(BIN)/python -m deploy deploy "$(STAGE)"
destroy: $(VENV)/installed ## delete all that a stage has, its images too, after a question: STAGE, YES=1
	@$(BIN)/python -m deploy destroy "$(STAGE)" $(if $(YES),--yes)

FORMAT ?= cloudformation

.PHONY: package
package: $(VENV)/installed ## write a stage as a template and a zip, for a pipeline: STAGE, FORMAT (cloudformation, terraform), OUT
	@$(BIN)/python -m deploy package "$(STAGE)" --format "$(FORMAT)" --out "$(or $(OUT),build/$(STAGE))"

# Make's `$` and the shell's quotes stay out of it: the event goes to the recipe as it was typed, by its environment.
EVENT ?= {}
unexport EVENT

.PHONY: invoke
invoke: export INVOKE_EVENT := $(value EVENT)
invoke: $(VENV)/installed ## invoke a function of the running service: FUNCTION, EVENT (JSON or @file), PORT or URL
	@$(BIN)/python -m dev invoke "$(FUNCTION)" --event "$$INVOKE_EVENT" --url "$(or $(URL),http://127.0.0.1:$(PORT))"

# Pure: functions of their arguments, so that nothing excuses a line that no test runs.
PURE := config errors ids metrics model permissions images/likeness images/renditions index/ranges index/terms \
  lists/cursors lists/merge lists/plan lists/prefixes pictures/exif pictures/structure pictures/thumbhash stores/records \
  tags/tallies web/accept web/answers web/bodies web/cors web/fields web/invocations web/readers
comma := ,
empty :=

# A process for each processor, but no more than four: each one starts embedded stacks of its own.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

.PHONY: test
test: $(VENV)/installed ## run all tests: pure, in process, on the embedded stack, under SIGKILL
	@$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term-missing
	@$(BIN)/python -m coverage report --fail-under=100 --include=$(subst $(empty) ,$(comma),$(PURE:%=chalicelib/%.py)) >/dev/null \
	  || { echo "A pure module isn't covered wholly: see the table above."; exit 1; }

.PHONY: test-fast
test-fast: $(VENV)/installed ## run the tests that start nothing, but for those that take long: TESTS
	@$(BIN)/python -m pytest $(PARALLEL) --quiet -m "not long" $(or $(TESTS),tests/unit tests/app)

.PHONY: test-http
test-http: $(VENV)/installed ## run the black-box tests against a service that runs already: URL
	@$(BIN)/python -m pytest tests/http $(if $(URL),--url "$(URL)")

.PHONY: test-deployed
test-deployed: $(VENV)/installed ## deploy to the empty LocalStack at AWS_ENDPOINT_URL, run the black-box tests there, destroy it
	@$(BIN)/python -m pytest tests/deployed

.PHONY: lint
lint: $(VENV)/installed ## check style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

ROUNDS ?= 100

.PHONY: bench
bench: $(VENV)/installed ## measure what each operation costs beside bare AWS calls: ROUNDS
	@$(BIN)/python -m bench.operations --rounds $(ROUNDS)

SIZES ?= 1000 10000 100000

.PHONY: bench-lists
bench-lists: $(VENV)/installed ## measure lists in tables of SIZES images (100,000: half an hour), kept in BENCH_DATA if that is set
	@$(BIN)/python -m bench.lists $(SIZES) $(if $(BENCH_DATA),--data "$(BENCH_DATA)") --json docs/lists.json
	@$(BIN)/python -m bench.chart docs/lists.json

.PHONY: bench-variants
bench-variants: $(VENV)/installed ## measure what an image's variants cost beside plain Pillow, pyvips and sharp
	@$(BIN)/python -m bench.variants

.PHONY: hooks
hooks: $(VENV)/installed ## let git check style and types before each commit
	@$(BIN)/pre-commit install

.PHONY: lock
lock: $(VENV)/installed ## pin the requirements anew, with hashes
	$(BIN)/pip install --quiet uv==0.13.8
	@for name in requirements dev/run requirements-dev dev/ministack dev/java dev/npm; do \
	  $(BIN)/uv pip compile --quiet --upgrade --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' $$name.in -o $$name.txt || exit 1; done

REGION ?= us-east-1

.PHONY: policies
policies: $(VENV)/installed ## write the IAM policy of each function (STAGE, ACCOUNT, REGION)
	@$(BIN)/python -m scripts.policies $(STAGE) --account "$(ACCOUNT)" --region $(REGION)

.PHONY: permissions
permissions: $(VENV)/installed ## write the table of what each function may do anew
	@$(BIN)/python -m scripts.permissions

.PHONY: settings
settings: $(VENV)/installed ## write README's table of settings anew
	@$(BIN)/python -m scripts.settings

# Elsewhere than on this machine's stack, boto3's environment says where: another STAGE on AWS, or DATA= for LocalStack.
.PHONY: reindex
reindex: $(VENV)/installed ## rebuild the terms of all images while the service runs: DATA or STAGE, OPTIONS (--dry-run)
	@$(BIN)/python -m scripts.reindex "$(STAGE)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)") $(OPTIONS)

.PHONY: sweep redrive
sweep: $(VENV)/installed ## mend now what crashes left unfinished: DATA or STAGE, OPTIONS (--dry-run)
redrive: $(VENV)/installed ## process the events again that failed again and again: DATA or STAGE
sweep redrive:
	@$(BIN)/python -m scripts.background $@ "$(STAGE)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)") $(OPTIONS)
