# make app   the app in the browser, at http://localhost:8501
# make test  the whole suite, on all processors
# make lock  spaces/docker/requirements.lock: what the image of the app installs, with digests; needs uv
# Each sets up what it needs in .venv, once; another Python: make PYTHON=python3.12 ...
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: app test lock

app: $(VENV)/.app
	$(BIN)/streamlit run app.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist loadfile

# The build of PyTorch for processors comes from an index of its own, which gives no digests; these are what it needs.
TORCH_NEEDS := sympy networkx jinja2 fsspec typing-extensions filelock setuptools
lock:
	(grep -v '^torch' spaces/docker/requirements.txt; printf '%s\n' $(foreach need,$(TORCH_NEEDS),'$(need)')) \
	| uv pip compile - --quiet --upgrade --generate-hashes --no-header --python-version 3.11 \
		--python-platform x86_64-manylinux_2_28 --output-file spaces/docker/requirements.lock

$(VENV)/.app: requirements.txt requirements-onnx.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.txt -r requirements-onnx.txt
	touch $@

$(VENV)/.test: requirements-dev.txt $(VENV)/.app
	$(BIN)/python -m pip install -r requirements-dev.txt
	$(BIN)/python tests/helpers/chromium.py
	touch $@
