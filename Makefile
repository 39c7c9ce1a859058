# Two commands do everything on a fresh Debian 12 with Node >= 20.19: make demo, make test.
.DEFAULT_GOAL := help
.PHONY: help setup build check test sim model demo demo-down bench install

PREFIX ?= /usr/lib/pvc
RUNS ?= 2000
SEED ?= 1

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## get this machine and checkout ready (make demo and make test do it by themselves)
	@scripts/setup

build: ## build dist/: the daemons and the pvc command
	@npm run -s build

check: ## types, lint, import law and the quick tests, in under a minute
	@npm run -s check

test: ## set up and run every test, also those on real ZooKeeper, libvirt and Ceph (as root)
	@node scripts/run-suites.mjs

sim: ## what can befall a cluster, by seeds: make sim RUNS=2000 SEED=1
	@node --import tsx test/sim/seeds.ts --seed $(SEED) --runs $(RUNS)

model: ## the protocol as a model, checked exhaustively: make model, or make model ALL=1 for the long ones
	@node --import tsx test/model/check.ts $(if $(ALL),--all)

demo: ## set up, start a cluster of three hosts on this machine and show what it can do (as root)
	@scripts/setup
	@node --import tsx test/lab/demo.ts

demo-down: ## take the cluster of make demo down, every trace of it
	@npm run -s lab -- down

bench: ## measure: make bench NAME="api-list heartbeat"
	@npm run -s bench -- $(NAME)

install: ## set up and install on this server; starts nothing (as root; also with PREFIX= and DESTDIR=)
	@scripts/setup --without-lab
	@DESTDIR='$(DESTDIR)' scripts/install --prefix '$(PREFIX)'
