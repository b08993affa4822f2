# Each target does all its own set-up; a second run finds it done.
bin := .venv/bin

.PHONY: help setup nvidia octave node clients demo test check style types rungs protos layers docs test-gpu bench-gpu bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready ## make .venv with the package (editable) and every tool of the developers

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh python

nvidia: .venv/ready
	@tools/setup.sh nvidia

octave: .venv/ready
	@tools/setup.sh octave

node: .venv/ready
	@tools/setup.sh node

clients: .venv/ready
	@tools/setup.sh clients

demo: .venv/ready ## train LeNet on handwritten digits and draw what it predicts
	@$(bin)/python tools/demo.py

test: .venv/ready nvidia octave clients ## run every test, with coverage
	@$(bin)/python -m pytest --cov --numprocesses=auto --maxprocesses=4 --dist=loadfile

check: style types rungs protos layers docs ## everything that judges the code without running it

style: .venv/ready
	@$(bin)/ruff check . && $(bin)/ruff format --check .

types: .venv/ready
	@$(bin)/mypy --strict caffe_sdk

rungs: .venv/ready
	@$(bin)/lint-imports

protos: .venv/ready
	@$(bin)/python tools/compile_protos.py --check

layers: .venv/ready
	@$(bin)/python tools/layer_table.py --check

docs: .venv/ready ## build the site into site/
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --quiet --strict

bench-gpu: .venv/ready ## measure a GPU for ten minutes, beside PyTorch, and write gpu-bench.md and gpu-bench.json
	@$(bin)/python -m tests.bench.gpu

test-gpu: .venv/ready ## run on a GPU what waits for one, and write gpu-report.md
	@$(bin)/python tools/test_gpu.py

bench: .venv/ready ## time LeNet, layer by layer
	@$(bin)/caffe time --model caffe_sdk/models/lenet/lenet_deploy.prototxt --iterations 50

clean: ## remove what the targets above made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* build dist site demo-output
