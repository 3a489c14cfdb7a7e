# Everything a newcomer needs: `make call`, `make test`, `make serve`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: call serve test install clean

call: $(VENV)/.installed  ## place one scripted call to the server on this machine
	@$(BIN)/allo models pull
	@$(BIN)/allo call

serve: $(VENV)/.installed  ## answer calls until interrupted
	@$(BIN)/allo models pull
	@$(BIN)/allo serve

test: $(VENV)/.installed-test  ## lint, import contracts, all tests
	@$(BIN)/allo models pull
	@$(BIN)/allo models pull whisper-base whisper-tiny.en
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/pipelines tests/training
	@$(BIN)/python -m pytest --ignore tests/pipelines --ignore tests/training  # real time: nothing beside them

install: $(VENV)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Allô needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing pinned dependencies (about 0.9 GB once unpacked)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e .[train,test]
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
