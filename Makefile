# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON = .venv/bin/python

# What `make chaos` and its like do: CHAOS=short or full; without SEED a new one is drawn and printed.
CHAOS ?= short

.PHONY: help setup demo demo-trading demo-allocations chaos chaos-tracking chaos-trading chaos-allocations bench-requests \
  bench-tables bench-regions bench-tracking bench-traces bench-trading bench-allocations test check unit up down clean format

help:           ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:          ## Install what is needed into .venv (and, where allowed, PgBouncer, PostgreSQL and Prometheus)
	@sh deploy/local/setup.sh

demo: setup     ## The main job on real parts, proved at the end (DEMO_REQUESTS=2000, DEMO_KEEP=1 leaves it up)
	@$(PYTHON) -m deploy.demo

demo-trading: setup ## Signals to decisions, orders and executions on real parts, proved at the end
	@$(PYTHON) -m deploy.demo.trading

demo-allocations: setup ## A trading day from portfolios to settlements on real parts, proved at the end
	@$(PYTHON) -m deploy.demo.allocations

chaos: setup    ## Faults under load on real parts, proved at the end (CHAOS=short|full, SEED=n)
	@$(PYTHON) -m deploy.chaos --$(CHAOS) $(if $(SEED),--seed $(SEED))

chaos-tracking: setup ## Writers, relays and consumers of events killed, proved at the end (CHAOS=short|full, SEED=n)
	@$(PYTHON) -m deploy.tracking_chaos --$(CHAOS) $(if $(SEED),--seed $(SEED))

chaos-trading: setup ## Processors, orders, executors, brokers killed, proved at the end (CHAOS=short|full, SEED=n)
	@$(PYTHON) -m deploy.trading_chaos --$(CHAOS) $(if $(SEED),--seed $(SEED))

chaos-allocations: setup ## Workers, Connect, databases, poolers killed in each phase, proved at the end (CHAOS=short|full, SEED=n)
	@$(PYTHON) -m deploy.allocations_chaos --$(CHAOS) $(if $(SEED),--seed $(SEED))

bench-requests: setup ## The delivery core against rivals and limits, as ratios (BENCH="--rounds 1 --events 20000")
	@$(PYTHON) -m benchmarks.requests $(BENCH)

bench-tables: setup ## Recovery of a table against Faust's own, and what a key takes (BENCH="--keys 200000")
	@$(PYTHON) -m benchmarks.tables $(BENCH)

bench-regions: setup ## Regions, pools, contention, batches and faults, as ratios (BENCH="--only direct", BENCH=--quick)
	@$(PYTHON) -m benchmarks.regions $(BENCH)

bench-tracking: setup ## The relay, tracked consumption and commit to topic, as ratios (BENCH="--rounds 1 --events 10000")
	@$(PYTHON) -m benchmarks.tracking $(BENCH)

bench-traces: setup ## Ingest of traces beside COPY, questions while it ingests, and what indexes cost (BENCH="--events 100000")
	@$(PYTHON) -m benchmarks.traces $(BENCH)

bench-trading: setup ## Exactly-once beside at-least-once on the same signals (BENCH="--rounds 1", BENCH="--brokers 3")
	@$(PYTHON) -m benchmarks.trading $(BENCH)

bench-allocations: setup ## Small transactions against one big batch, trade capture, and 100,000 accounts (BENCH="--only compare")
	@$(PYTHON) -m benchmarks.allocations $(BENCH)

test: setup check ## Every check and test, on real parts
	@$(PYTHON) -m pytest

unit: setup     ## The tests that need no parts
	@$(PYTHON) -m pytest tests/unit

check: setup    ## Lint, types and borders
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup   ## Format the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

up: setup       ## Start the local stack and print its addresses
	@$(PYTHON) -m deploy.local up --connectors requests,orders,steps,executions

down:           ## Stop the local stack, keep its data
	@$(PYTHON) -m deploy.local down

clean:          ## Stop the local stack and delete its data
	@$(PYTHON) -m deploy.local clean
