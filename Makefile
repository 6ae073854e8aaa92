# Two commands on a fresh machine: `make demo` sets up and runs the main job, `make test` sets up and passes the tests.
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint proto fuzz-nightly mutants-nightly proofs-nightly clean

demo: $(VENV)/ready-ml rules/card_support/certificate.json
	@$(BIN)/charter demo rules/card_support

.SECONDEXPANSION:
%/certificate.json: $$(wildcard $$*/*.charter) $(VENV)/ready-ml
	@echo "proving $*"
	@$(BIN)/charter verify $* --certificate $@

test: $(VENV)/ready-dev
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python proto/generate.py --check

# Every night: as many steps as a night has room for, on all cores, with another seed each day.
fuzz-nightly: $(VENV)/ready-dev
	$(BIN)/charter fuzz rules/*/ --steps $(or $(FUZZ_STEPS),10000000) --seed $(or $(FUZZ_SEED),$(shell date +%j))

mutants-nightly: $(VENV)/ready-dev
	$(BIN)/charter mutate rules/*/

# The prover against brute force on 400 random policies.
proofs-nightly: $(VENV)/ready-dev
	CHARTER_PROOFS=400 $(BIN)/python -m pytest tests/verification/test_prover_honesty.py

bench-%: $(VENV)/ready-bench
	@$(BIN)/python bench/$*.py

proto: $(VENV)/ready-dev
	$(BIN)/python proto/generate.py

clean:
	rm -rf $(VENV) build var bench/out

# --- set-up: the virtual environment, then the model runtime (its build is chosen by TORCH), then everything else

$(VENV)/ready-venv:
	@version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	case "$$version" in 3.11|3.12) ;; *) \
	  echo "Charter needs Python 3.11 or 3.12; $(PYTHON) is $${version:-missing}."; \
	  echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1;; esac
	@command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || { \
	  echo "Charter needs a C compiler: durable-rules is built from source."; \
	  echo "On Debian or Ubuntu: apt-get install gcc python3-dev"; exit 1; }
	@echo "[1/3] making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@touch $@

$(VENV)/ready-torch: $(VENV)/ready-venv
	@echo "[2/3] installing $(TORCH), the runtime of the local models"
	@$(PIP) $(TORCH)
	@touch $@

$(VENV)/ready-ml: $(VENV)/ready-torch pyproject.toml
	@echo "[3/3] installing Charter, about two minutes the first time"
	@$(PIP) -e '.[ml]'
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready-torch pyproject.toml
	@echo "[3/3] installing Charter with what its tests need, about two minutes the first time"
	@$(PIP) -e '.[ml,dev]'
	@touch $@

$(VENV)/ready-bench: $(VENV)/ready-dev pyproject.toml
	@$(PIP) -e '.[bench]'
	@touch $@
