# `make demo` shows the product, `make test` proves it. Both set up what is missing.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
LOCKS := base serve dev postgres evals finetune

.PHONY: help demo test check screenshots format lock clean

help: ## Show this help.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## Set everything up and run the demo shop on http://127.0.0.1:8080.
	@$(PYTHON) tools/setup.py base serve
	@exec $(BIN)/amends up

test: ## Set everything up and pass the checks and the tests.
	@$(PYTHON) tools/setup.py $(LOCKS) --browser --postgres
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest

check: ## Lint, types, import contract.
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

screenshots: ## Make the pictures in docs/images again.
	@$(PYTHON) tools/setup.py $(LOCKS) --browser --postgres
	@AMENDS_SCREENSHOTS=1 $(BIN)/python -m pytest tests/e2e/test_browser.py tests/evals/test_report_page.py

format: ## Format the code.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

lock: ## Resolve and write requirements/*.txt (needs pip-tools).
	@$(PYTHON) tools/lock.py

clean: ## Remove the environment and everything the demo made.
	@rm -rf .venv .amends
