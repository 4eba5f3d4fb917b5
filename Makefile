# make app   the app in the browser, at http://localhost:8501
# make test  the whole suite, on all processors
# Each sets up what it needs in .venv, once; another Python: make PYTHON=python3.12 ...
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: app test

app: $(VENV)/.app
	$(BIN)/streamlit run app.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist loadfile

$(VENV)/.app: requirements.txt requirements-onnx.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.txt -r requirements-onnx.txt
	touch $@

$(VENV)/.test: requirements-dev.txt $(VENV)/.app
	$(BIN)/python -m pip install -r requirements-dev.txt
	$(BIN)/python tests/helpers/chromium.py
	touch $@
