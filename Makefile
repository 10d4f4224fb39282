VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
DATA ?= .data

.DEFAULT_GOAL := help
.PHONY: help
help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 14

$(VENV)/installed: requirements.txt requirements-dev.txt
	@python=$$(scripts/newest-python) && echo "Installing into $(VENV) with $$python (once, about half a minute) ..." && $$python -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

.PHONY: lock
lock: $(VENV)/installed ## pin the requirements anew, with hashes
	$(BIN)/pip install --quiet uv==0.13.8
	@for name in requirements requirements-dev; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command 'make lock' $$name.in -o $$name.txt || exit 1; done
