VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
DATA ?= .data

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 16

# One environment with two stamps: `installed-run` has what runs and deploys the service, `installed` also what tests it.
INSTALL = python=$(or $(PYTHON),$$(scripts/newest-python)) && $$python -m scripts.install $(VENV)
ENGINES =
$(VENV)/installed-run: requirements.txt dev/run.txt
	@$(INSTALL) $^ $(ENGINES)
	@touch $@
$(VENV)/installed: requirements.txt dev/run.txt requirements-dev.txt
	@$(INSTALL) $^ --compile
	@touch $(VENV)/installed-run $@

# Set here, because some shells export HOST with the machine's name. Only an explicit HOST=... listens beyond loopback.
HOST = 127.0.0.1
S3_PORT = 0
DYNAMODB_PORT = 0
# Further names by which clients reach the service, and the space of the disk that is kept free, in MB.
ALLOWED_HOSTS =
MIN_FREE_MB = 100
# Processes that answer requests; as many images are processed at once. Empty: one per processor, at most 4.
WORKERS =

.PHONY: run
run: ENGINES = --engines
run: $(VENV)/installed-run ## run the service on this machine: PORT, DATA, HOST, ALLOWED_HOSTS, S3_PORT, DYNAMODB_PORT, MIN_FREE_MB, WORKERS
	@exec $(BIN)/python -m dev run --data "$(DATA)" --port "$(PORT)" --host "$(HOST)" --s3-port "$(S3_PORT)" --dynamodb-port "$(DYNAMODB_PORT)" \
	  --allowed-hosts "$(ALLOWED_HOSTS)" --min-free-mb "$(MIN_FREE_MB)" $(if $(WORKERS),--workers "$(WORKERS)")

.PHONY: samples
samples: $(VENV)/installed-run ## upload the sample photographs to the running service: PORT or URL
	@$(BIN)/python -m dev samples --url "$(or $(URL),http://127.0.0.1:$(PORT))"

.PHONY: up
up: ## start LocalStack in Docker and wait until it is healthy
	@scripts/compose up --detach --wait

.PHONY: down
down: ## stop the LocalStack that `make up` started
	@scripts/compose down

STAGE ?= local

.PHONY: deploy rollback destroy
deploy: $(VENV)/installed-run ## deploy or repair a stage on LocalStack or AWS: STAGE (local, dev, prod), CHECK=1 only to report what differs
	@$(BIN)/python -m deploy $(if $(filter-out 0 no false,$(CHECK)),check,deploy) "$(STAGE)"
rollback: $(VENV)/installed-run ## let the API of a stage run the version before its present one: STAGE
	@$(BIN)/python -m deploy rollback "$(STAGE)"
destroy: $(VENV)/installed-run ## delete a stage with all its images, after questions: STAGE; answers: YES=1 or CONFIRM=<stage>, IMAGES=delete
	@$(BIN)/python -m deploy destroy "$(STAGE)" $(if $(filter-out 0 no false,$(YES)),--yes) $(if $(CONFIRM),--confirm "$(CONFIRM)") $(if $(IMAGES),--images "$(IMAGES)")

.PHONY: secrets rotate
secrets: $(VENV)/installed-run ## write the secrets of a stage to SSM, before a pipeline deploys it: STAGE, REMOVE
	@$(BIN)/python -m deploy secrets "$(STAGE)" $(if $(REMOVE),--remove $(REMOVE))
rotate: $(VENV)/installed-run ## replace a secret of a stage while it runs: STAGE, SECRET (JWT_SECRET, CURSOR_SECRET), FINISH=1 to refuse the old one
	@$(BIN)/python -m deploy rotate "$(STAGE)" "$(SECRET)" $(if $(filter-out 0 no false,$(FINISH)),--finish)

FORMAT ?= cloudformation

.PHONY: package
package: $(VENV)/installed-run ## write a template and a zip of a stage, for a pipeline: STAGE, FORMAT (cloudformation, terraform), OUT
	@$(BIN)/python -m deploy package "$(STAGE)" --format "$(FORMAT)" --out "$(or $(OUT),build/$(STAGE))"

.PHONY: restore
restore: $(VENV)/installed-run ## restore a stage to an earlier time, after a question: STAGE, TO (2026-11-20T10:00:00Z), CONFIRM=<stage>, OPTIONS (--dry-run)
	@$(BIN)/python -m scripts.restore "$(STAGE)" --to "$(TO)" $(if $(CONFIRM),--confirm "$(CONFIRM)") $(OPTIONS)

# The recipe gets the event through its environment, so that neither make nor the shell changes `$` or quotes in it.
EVENT ?= {}
unexport EVENT

.PHONY: invoke
invoke: export INVOKE_EVENT := $(value EVENT)
invoke: $(VENV)/installed-run ## invoke a Lambda function of the running service: FUNCTION, EVENT (JSON or @file), DATA, PORT or URL
	@$(BIN)/python -m dev invoke "$(FUNCTION)" --event "$$INVOKE_EVENT" --data "$(DATA)" --url "$(or $(URL),http://127.0.0.1:$(PORT))"

# Modules without input and output, but for lifecycle's one transaction: tests must run each of their lines.
PURE := config deadline errors filenames ids metrics model permissions secrets tasks images/lifecycle images/likeness \
  images/model images/render images/signatures index/query index/ranges index/rows index/terms items/model lists/cursors \
  lists/entries lists/merge lists/model lists/plan lists/prefixes pictures/exif pictures/parsers/* pictures/structure \
  pictures/thumbhash stores/model stores/records tags/model tags/tallies web/accept web/answers web/bodies \
  web/cors web/fields web/invocations web/readers web/s3_events
comma := ,
empty :=

# One process per processor, at most four: each process starts embedded stacks of its own.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

.PHONY: test
test: $(VENV)/installed ## run all tests; as root on Debian, installs Chromium for those of the pages
	@$(BIN)/python -m scripts.browser
	@$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term-missing
	@$(BIN)/python -m coverage report --fail-under=100 --include=$(subst $(empty) ,$(comma),$(PURE:%=chalicelib/%.py)) >/dev/null \
	  || { echo "Some lines of a module in PURE are not covered: see the table above."; exit 1; }

.PHONY: test-fast
test-fast: $(VENV)/installed ## run the fast tests, which start no servers: TESTS
	@$(BIN)/python -m pytest $(PARALLEL) --quiet -m "not long" $(or $(TESTS),tests/unit tests/app)

.PHONY: test-http
test-http: $(VENV)/installed ## run the black-box tests against a service that runs already: URL
	@$(BIN)/python -m pytest tests/http $(if $(URL),--url "$(URL)")

.PHONY: test-deployed
test-deployed: $(VENV)/installed ## deploy to the empty LocalStack at AWS_ENDPOINT_URL, run the black-box tests there, destroy it
	@$(BIN)/python -m scripts.browser
	@$(BIN)/python -m pytest tests/deployed --timeout 900

.PHONY: test-clients
test-clients: $(VENV)/installed ## make clients with five generators, run them on an embedded stack, and lint the OpenAPI document
	@$(BIN)/python -m pytest tests/generated_clients

PROSE := $(wildcard *.md) client docs samples
CODE := app.py bench chalicelib deploy dev project scripts tests .ci Makefile docker-compose.yml resources.yaml

.PHONY: lint
lint: $(VENV)/installed ## check style, types, imports, locks and prose
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@PYTHONPATH=client $(BIN)/lint-imports --no-logo
	@$(BIN)/mdformat --check $(PROSE)
	@$(BIN)/codespell $(PROSE) $(CODE)
	@$(BIN)/python -m scripts.locks
	@$(BIN)/python -m scripts.vendor --check
	@$(BIN)/python -m scripts.javascript

AUDIT := .venv-audit
$(AUDIT)/installed: scripts/audit.txt
	@python=$$(scripts/newest-python) && $$python -m scripts.install $(AUDIT) $^
	@touch $@

.PHONY: audit
audit: $(VENV)/installed-run $(AUDIT)/installed ## check pinned packages for known vulnerabilities and licences, and write build/sbom.json
	@$(BIN)/python -m scripts.audit $(AUDIT)

ROUNDS ?= 100

.PHONY: bench
bench: $(VENV)/installed ## measure each operation against bare AWS calls: ROUNDS
	@$(BIN)/python -m bench.operations --rounds $(ROUNDS)

# 1000000 takes some 25 GB of disk in BENCH_DATA or, without it, in the folder for temporary files.
SIZES ?= 1000 10000 100000

.PHONY: bench-lists
bench-lists: $(VENV)/installed ## measure lists in tables of SIZES images: SIZES, BENCH_DATA to keep the tables
	@$(BIN)/python -m bench.lists $(SIZES) $(if $(BENCH_DATA),--data "$(BENCH_DATA)") --json docs/lists.json
	@$(BIN)/python -m bench.chart docs/lists.json

.PHONY: bench-cpu
bench-cpu: $(VENV)/installed ## measure the processor time of each request, with recorded answers in place of the stores
	@$(BIN)/python -m bench.cpu

.PHONY: bench-profile
bench-profile: $(VENV)/installed ## show which library the processor time of each request goes to
	@$(BIN)/python -m bench.profile

.PHONY: bench-latency
bench-latency: $(VENV)/installed ## measure requests whose stores are 0 to 20 ms away: ROUNDS, BENCH_DATA to keep the tables
	@$(BIN)/python -m bench.latency --rounds $(ROUNDS) $(if $(BENCH_DATA),--data "$(BENCH_DATA)") --chart docs/latency.svg

.PHONY: bench-variants
bench-variants: $(VENV)/installed ## measure the making of variants against plain Pillow, pyvips and sharp
	@$(BIN)/python -m bench.variants

PHOTOGRAPHS ?= 2000

.PHONY: bench-uploads
bench-uploads: $(VENV)/installed ## measure the upload of PHOTOGRAPHS by the client, by curl and by the AWS CLI: BENCH_DATA to keep them
	@$(BIN)/python -m bench.uploads --photographs $(PHOTOGRAPHS) $(if $(BENCH_DATA),--folder "$(BENCH_DATA)")

.PHONY: bench-throughput
bench-throughput: $(VENV)/installed ## measure how many requests and photographs the local stack does in a second (Linux): WORKERS
	@$(BIN)/python -m bench.throughput $(if $(WORKERS),-- --workers "$(WORKERS)")

PEERS := .venv-peers
$(PEERS)/installed: bench/peers/requirements.txt
	@python=$$(scripts/newest-python) && $$python -m scripts.install $(PEERS) $^
	@touch $@

.PHONY: bench-peers
bench-peers: $(VENV)/installed $(PEERS)/installed ## compare with Flask on DynamoDB, Flask on Postgres, and thumbor; needs Postgres
	@$(BIN)/python -m bench.peers

.PHONY: bench-cold
bench-cold: $(VENV)/installed ## measure cold starts from the zip, before and after the work on it
	@$(BIN)/python -m bench.cold_start

.PHONY: bench-pages
bench-pages: $(VENV)/installed ## measure the gallery in Chromium with 10,000 images: BENCH_DATA to keep them
	@$(BIN)/python -m bench.pages $(if $(BENCH_DATA),--data "$(BENCH_DATA)")

.PHONY: hooks
hooks: $(VENV)/installed ## install a git hook that checks style, types and prose before each commit
	@$(BIN)/pre-commit install

.PHONY: lock
lock: $(VENV)/installed ## renew the pinned requirements, with hashes
	$(BIN)/pip install --quiet uv==0.13.8
	@for name in requirements dev/run requirements-dev dev/ministack dev/java dev/npm tests/generated_clients/requirements bench/peers/requirements scripts/audit; do \
	  $(BIN)/uv pip compile --quiet --upgrade --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' $$name.in -o $$name.txt || exit 1; done

.PHONY: vendor
vendor: $(VENV)/installed-run ## fetch the libraries of the pages from npm: NEWEST=1 takes their newest versions
	@$(BIN)/python -m scripts.vendor $(if $(filter-out 0 no false,$(NEWEST)),--newest)

REGION ?= us-east-1

.PHONY: policies
policies: $(VENV)/installed-run ## write the IAM policy of each function: STAGE, ACCOUNT, REGION
	@$(BIN)/python -m scripts.policies $(STAGE) --account "$(ACCOUNT)" --region $(REGION)

.PHONY: permissions
permissions: $(VENV)/installed ## write docs/permissions.md: what each function may do
	@$(BIN)/python -m scripts.permissions

.PHONY: screenshots
screenshots: $(VENV)/installed ## take the screenshots of the gallery in the documentation
	@$(BIN)/python -m scripts.screenshots

.PHONY: settings
settings: $(VENV)/installed ## write docs/settings.md: what each setting means
	@$(BIN)/python -m scripts.settings

.PHONY: scale
scale: $(VENV)/installed ## write docs/scale.md: what a hundred million images take on AWS
	@$(BIN)/python -m bench.scale

# DATA leads to the embedded stack. For another STAGE on AWS, or with DATA= on LocalStack, boto3's environment does.
.PHONY: reindex
reindex: $(VENV)/installed-run ## rebuild the search index while the service runs: DATA or STAGE, OPTIONS (--dry-run)
	@$(BIN)/python -m scripts.reindex "$(STAGE)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)") $(OPTIONS)

.PHONY: export import
export: $(VENV)/installed-run ## write all images of all owners of a stage as files: DATA or STAGE, OUT
	@PYTHONPATH=client $(BIN)/python -m scripts.archive export "$(STAGE)" "$(OUT)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)")
import: $(VENV)/installed-run ## import into a stage what `make export` wrote: DATA or STAGE, FROM
	@PYTHONPATH=client $(BIN)/python -m scripts.archive import "$(STAGE)" "$(FROM)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)")

.PHONY: sweep redrive
sweep: $(VENV)/installed-run ## repair now what a crash left unfinished: DATA or STAGE, OPTIONS (--dry-run)
redrive: $(VENV)/installed-run ## reprocess failed events (dead letters): DATA or STAGE
sweep redrive:
	@$(BIN)/python -m scripts.background $@ "$(STAGE)" $(if $(and $(filter local,$(STAGE)),$(DATA)),--data "$(DATA)") $(OPTIONS)
