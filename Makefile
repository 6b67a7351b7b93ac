# Everything that people and CI call. Each target sets up what it needs.
VENV := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo test lint bench tables fuzz wheel lock clean

help:           ## list the targets
	@grep -E '^[a-z-]+: .*## |^[a-z-]+:  *## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:          ## virtual environment, cross compiler, data
	@scripts/setup-system.sh
	@scripts/setup-venv.sh

setup-tests:    ## the same, QEMU and the second compiler
	@scripts/setup-system.sh --tests
	@scripts/setup-venv.sh --tests

demo: setup     ## search a LeNet-like space on the virtual NUCLEO-L496ZG
	$(VENV)/hwnas search --space lenet --board nucleo_l496zg --trials 100 \
	    --max-latency-ms 30 --max-energy-mj 1.4 --max-ram-kib 32 --max-flash-kib 160 \
	    --storage sqlite:///demo/study.db --table sqlite:///demo/table.db \
	    --plot demo/front.png

lint: setup     ## ruff and mypy
	$(VENV)/ruff check .
	$(VENV)/ruff format --check hwnas tests benchmarks hatch_build.py
	$(VENV)/mypy

test: setup-tests lint   ## lint, then all tests
	$(VENV)/pytest -n 2 --dist loadfile

bench: setup    ## the figures of the hot paths, as tables
	@failed=; for script in benchmarks/bench_*.py; do \
	    echo "== $$script"; $(VENV)/python $$script || failed="$$failed $$script"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

tables: setup   ## make the lookup tables that ship anew, in lut/ (after a change of kernels or models)
	scripts/make-tables.sh

fuzz: setup-tests    ## the firmware's parsers and kernels under libFuzzer, SECONDS=60
	$(VENV)/python benchmarks/fuzz_device.py --seconds $(or $(SECONDS),60)

wheel: setup    ## a wheel with ready-made firmware images, in dist/
	rm -rf build/images
	$(VENV)/python -m hwnas.firmware build/images
	$(VENV)/python -m build --wheel --outdir dist

lock: setup     ## resolve the lock files anew (no index address in them)
	$(VENV)/python -m pip install --quiet uv
	$(VENV)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate --extra dev \
	    --prerelease if-necessary-or-explicit pyproject.toml -o requirements.lock
	echo 'ziglang>=0.14' | $(VENV)/uv pip compile -q --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate - \
	    -o requirements-zig.lock

clean:          ## remove what was built
	rm -rf .venv build dist demo
