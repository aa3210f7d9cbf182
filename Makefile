# SPDX-License-Identifier: MIT
# The front door. The build itself is CMake's: see CMakeLists.txt and CMakePresets.json.

PREFIX ?= /usr/local
ARGS ?=
DATA ?= build/data
PEERS ?=
SECONDS_EACH ?= 60
ENGINE ?= libfuzzer
TARGETS ?=

SECONDS ?= 60
PAUSE_MS ?= 0
SEEDS ?= 10000
SEED ?=
NAMES ?=
E2E ?=
ROUNDS ?= 7
LOADS ?=
STEPS ?=
COUNTS ?=

.PHONY: all deps run test coverage conformance interop prove faults fuzz sim mutants store bench bench-peers bench-tails bench-tls bench-scale soak npm install deb container clean help

all:              ## build the release into build/release
	@tools/deps build
	@tools/build release

deps:             ## install what building, running and testing need (Debian packages, npm ci)
	@tools/deps build run test fuzz

run:              ## build, then serve the pages and applications: http://127.0.0.1:8080 (ARGS="--listen ..."); keeps DATA=build/data
	@tools/deps build run
	@tools/build release
	@exec build/release/duet serve --demo --data $(DATA) $(ARGS)

test:             ## prove everything; the last line is `N passed, N failed`
	@tests/run $(STAGES)

conformance:      ## every case against Duet and others, in full (PEERS="--quick duet ws"); writes docs/conformance.md
	@tools/deps build test conformance
	@tools/build release
	@tests/conformance/everything $(PEERS)

interop:          ## programs that nobody here wrote, as clients and servers (PEERS="ws gorilla"); writes docs/interop.md
	@tools/deps build test interop
	@tools/build release
	@tests/interop/everything $(PEERS)

prove:            ## everything at length, half a day (STEPS="sim soak": some); goes on where it was; writes docs/proved.md
	@tests/prove/run $(STEPS)

coverage:         ## what the tests reach: build/coverage/html/index.html (E2E=1: the end-to-end tests, too)
	@tools/deps build test
	@tools/build coverage
	@tests/coverage/run --html $(if $(E2E),--e2e)

sim:              ## the simulations: SEEDS=10000 of them, or SEED=n alone with its trace
	@tools/deps build test
	@tools/build asan
	@tests/sim/run $(SEEDS) $(SEED)

store:            ## the store at length: power cuts, damage, a failing disk, kills
	@tools/deps build test
	@tools/build debug
	@tests/store/run

faults:           ## faults and attacks at length; writes docs/faults.md
	@tools/deps build test
	@tools/build release
	@tests/faults/run --long

mutants:          ## break the code on purpose and see each gate turn red, an hour (NAMES="sim-pair" or --long)
	@tools/deps build test conformance interop fuzz
	@tests/mutants/run $(NAMES)

fuzz:             ## run each fuzz target for SECONDS_EACH=60 (TARGETS="frame head" ENGINE=libfuzzer, msan or afl)
	@tools/deps build fuzz $(ENGINE)
	@tools/build $(if $(filter libfuzzer,$(ENGINE)),fuzz,fuzz-$(ENGINE))
	@ENGINE=$(ENGINE) tests/fuzz/run $(SECONDS_EACH) $(TARGETS)

bench:            ## measure the leaves (unmasking, UTF-8, compressing), the store, and 10,000 clients after a restart
	@tools/deps build
	@tools/build release
	@cmake --build --preset release --target bench_leaves bench_deflate bench_store bench_restart duet_program >/dev/null
	@build/release/bench_leaves
	@build/release/bench_deflate
	@build/release/bench_store build
	@build/release/bench_restart build/release/duet 9000

npm:              ## web/duet.js as a package with types, in build/npm
	@mkdir -p build/npm
	@cp web/duet.js packaging/npm/duet.d.ts packaging/npm/package.json build/npm/
	@echo "build/npm is the package: npm install ./build/npm"

bench-peers:      ## Duet, ws, gorilla, Beast ... in turns, an hour; writes docs/performance.md (PEERS=ws LOADS=echo-100 ROUNDS=7)
	@tools/deps build bench
	@tools/build release
	@cmake --build --preset release --target bench_floor >/dev/null
	@bench/peers/run --rounds $(ROUNDS) $(if $(PEERS),--peers "$(PEERS)") $(if $(LOADS),--loads "$(LOADS)") \
		$(if $(PEERS)$(LOADS),,--write)

bench-tails:      ## an echo's p99.9 beside long work on the same loop (ROUNDS=7); writes a section of docs/performance.md
	@tools/deps build
	@tools/build release
	@cmake --build --preset release --target bench_host duet_program >/dev/null
	@bench/tails --rounds $(ROUNDS) --write

bench-tls:        ## TLS beside plain and beside OpenSSL alone (ROUNDS=7); writes a section of docs/performance.md
	@tools/deps build
	@tools/build release
	@cmake --build --preset release --target bench_host bench_openssl duet_program >/dev/null
	@bench/tls --rounds $(ROUNDS) --write

bench-scale:      ## 1,000 to 500,000 connections, some minutes and 6 GB; writes a section of docs/performance.md (COUNTS=1000,10000)
	@tools/deps build
	@tools/build release
	@cmake --build --preset release --target bench_host bench_crowd >/dev/null
	@bench/scale $(if $(COUNTS),--steps $(COUNTS),--write)

soak:             ## connections come and go for SECONDS=60 while memory is watched (PAUSE_MS=40: at less speed)
	@tools/deps build
	@tools/build release
	@tests/soak/run $(SECONDS) $(PAUSE_MS)

install:          ## install into DESTDIR and PREFIX=/usr/local
	@tools/deps build
	@tools/build release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@DESTDIR="$(DESTDIR)" cmake --install build/release

deb:              ## Debian packages of the server, the library and its headers, in build/deb (REVISION=2: a version's second ones)
	@tools/deps build deb
	@packaging/build-deb

container:        ## build packaging/Containerfile and try the image, where buildah is (BASE=another image than Debian's)
	@tests/install/container

clean:            ## remove build/
	rm -rf build

help:             ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-18s %s\n", $$1, $$2 }'
