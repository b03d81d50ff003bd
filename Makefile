# Everything a developer runs, by name. `make help` lists the targets.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# Seconds per fuzz target, rounds of the crash simulation, and kills.
SECONDS ?= 60
ROUNDS ?= 10000
KILLS ?= 1000

# Where build output goes; the variants with other flags have their own folders so that none rebuilds another's.
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make fuzz SECONDS=$(SECONDS)   make crash ROUNDS=$(ROUNDS)   make kill9 KILLS=$(KILLS)"

# ---------------------------------------------------------------------------------------------------- tests

.PHONY: test
test: tools fmt-check clippy unit loom docs fuzz-check python ## everything a change has to pass (what .ci/run runs)
	@echo "all checks passed"

.PHONY: tools
tools: ## say whether the toolchain has what the checks need
	@$(CARGO) --version
	@$(CARGO) fmt --version || { echo "rustfmt is missing: rustup component add rustfmt"; exit 1; }
	@$(CARGO) clippy --version || { echo "clippy is missing: rustup component add clippy"; exit 1; }

.PHONY: lint
lint: tools fmt-check clippy ## formatting and lints only

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --workspace --lib --bins --locked -- -D warnings
	@# Tests and benchmarks may unwrap, panic, print and touch files by themselves.
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings -A clippy::unwrap_used -A clippy::expect_used \
	    -A clippy::panic -A clippy::print_stdout -A clippy::print_stderr -A clippy::disallowed_methods

.PHONY: unit
unit: ## unit, property, integration, house-rule and documentation tests
	$(CARGO) test --workspace --locked

.PHONY: loom
loom: ## model-check the concurrent protocols (at most 3 preemptions)
	@if ls storage/tests/loom_*.rs >/dev/null 2>&1; then \
	    RUSTFLAGS="$${RUSTFLAGS:-} --cfg foretaste_loom" \
	    LOOM_MAX_PREEMPTIONS="$${LOOM_MAX_PREEMPTIONS:-3}" \
	    CARGO_TARGET_DIR="$(TARGET)/loom" \
	    $(CARGO) test -p foretaste-storage --locked --release --test 'loom_*'; \
	else \
	    echo "loom: skipped, there is no storage/tests/loom_*.rs yet"; \
	fi

.PHONY: docs
docs: ## build the documentation; a warning is an error
	RUSTDOCFLAGS="$${RUSTDOCFLAGS:-} -D warnings" \
	    $(CARGO) doc --workspace --exclude foretaste-shell --no-deps --locked

.PHONY: fuzz-check
fuzz-check: ## compile the fuzz targets with the stable toolchain
	@if [ ! -f fuzz/Cargo.toml ]; then \
	    echo "fuzz: skipped, there is no fuzz/Cargo.toml yet"; \
	elif ! command -v c++ >/dev/null 2>&1; then \
	    echo "fuzz: skipped, libFuzzer needs a C++ compiler to build (the seeds were replayed by the tests)"; \
	else \
	    CARGO_TARGET_DIR="$(TARGET)/fuzz" $(CARGO) check --manifest-path fuzz/Cargo.toml --all-targets; \
	fi

# The module is built and tested in an environment of its own, so that nothing is installed beside it.
PYTHON ?= python3
VENV := $(TARGET)/venv
VENV_PYTHON := $(abspath $(VENV))/bin/python

.PHONY: python
python: ## build the Python module as it is released, install it into target/venv, run its tests
	@if ! command -v $(PYTHON) >/dev/null 2>&1; then \
	    echo "python: skipped, there is no $(PYTHON)"; exit 0; \
	elif ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then \
	    echo "python: skipped, the module needs Python 3.10 or later: make python PYTHON=python3.12"; exit 0; \
	elif ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	    echo "python: skipped, $(PYTHON) has no venv (a package of the system, such as python3-venv)"; exit 0; \
	fi; \
	[ -x "$(VENV)/bin/python" ] || $(PYTHON) -m venv "$(VENV)"; \
	if ! "$(VENV)/bin/python" -m pip install -q --disable-pip-version-check -r bindings/python/requirements-test.txt; then \
	    [ -n "$${CI:-}" ] && exit 1; \
	    echo "python: skipped, pip cannot reach the packages it needs (bindings/python/requirements-test.txt)"; exit 0; \
	fi; \
	rm -rf "$(TARGET)/wheels"; \
	CARGO_TARGET_DIR="$(abspath $(TARGET))" "$(VENV)/bin/maturin" build --release --locked \
	    --manifest-path bindings/python/Cargo.toml --interpreter "$(VENV_PYTHON)" --out "$(abspath $(TARGET))/wheels"; \
	"$(VENV)/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$(TARGET)"/wheels/*.whl; \
	cd bindings/python && "$(VENV_PYTHON)" -m pytest

# Frameworks in a second environment: about a minute of installing, which a change of something else need not wait for.
CONTRACTS := $(TARGET)/venv-contracts

.PHONY: python-contracts
python-contracts: python ## the Python module against LangChain, LlamaIndex and Haystack, with their own test suites; pyright, strict
	@[ -x "$(CONTRACTS)/bin/python" ] || $(PYTHON) -m venv "$(CONTRACTS)"
	"$(CONTRACTS)/bin/python" -m pip install -q --disable-pip-version-check -r bindings/python/requirements-contracts.txt
	"$(CONTRACTS)/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$(TARGET)"/wheels/*.whl
	cd bindings/python && "$(abspath $(CONTRACTS))/bin/python" -m pytest tests/contracts \
	    -o asyncio_default_fixture_loop_scope=function
	cd bindings/python && "$(abspath $(CONTRACTS))/bin/python" -m pyright --pythonpath "$(abspath $(CONTRACTS))/bin/python"

# ---------------------------------------------------------------------------------------------------- C

PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What the static library needs of the system.
C_SYSTEM := $(if $(filter Linux,$(shell uname -s)),-lpthread -ldl -lm -lrt -lutil -lgcc_s)

.PHONY: c
c: ## build the C libraries, target/release/libforetaste_c.{a,so}
	$(CARGO) build --release --locked -p foretaste-c

.PHONY: c-header
c-header: ## write bindings/c/include/foretaste.h anew
	FORETASTE_WRITE_HEADER=1 $(CARGO) test -p foretaste-c --locked --test header

.PHONY: install-c
install-c: c ## install the C libraries, header and pkg-config file below PREFIX
	mkdir -p "$(DESTDIR)$(PREFIX)/include" "$(DESTDIR)$(PREFIX)/lib/pkgconfig"
	cp bindings/c/include/foretaste.h "$(DESTDIR)$(PREFIX)/include/"
	for lib in "$(TARGET)"/release/libforetaste_c.a "$(TARGET)"/release/libforetaste_c.so \
	    "$(TARGET)"/release/libforetaste_c.dylib; do \
	    [ ! -f "$$lib" ] || cp "$$lib" "$(DESTDIR)$(PREFIX)/lib/"; \
	done
	sed -e 's|@prefix@|$(PREFIX)|' -e 's|@version@|$(VERSION)|' -e 's|@system@|$(C_SYSTEM)|' \
	    bindings/c/foretaste.pc.in > "$(DESTDIR)$(PREFIX)/lib/pkgconfig/foretaste.pc"


# The emulated processors: one with everything, and one without 8-bit inner products.
ARM := aarch64-unknown-linux-gnu
ARM_CPUS ?= max cortex-a72
ARM_GCC ?= aarch64-linux-gnu-gcc
# Where the C library of the emulated system lies.
ARM_ROOT ?= /usr/aarch64-linux-gnu

.PHONY: aarch64
aarch64: ## tests of storage and query on 64-bit ARM, emulated by qemu
	@command -v qemu-aarch64 >/dev/null 2>&1 || { \
	    echo "qemu-aarch64 is missing: a package of the system, such as qemu-user"; exit 1; }
	@command -v $(ARM_GCC) >/dev/null 2>&1 || { \
	    echo "$(ARM_GCC) is missing: a package of the system, such as gcc-aarch64-linux-gnu"; exit 1; }
	@[ -e "$(ARM_ROOT)/lib/ld-linux-aarch64.so.1" ] || { \
	    echo "$(ARM_ROOT) has no C library: a package such as libc6-dev-arm64-cross, or ARM_ROOT=…"; exit 1; }
	@ls "$$($${RUSTC:-rustc} --print target-libdir --target $(ARM))"/libstd-*.rlib >/dev/null 2>&1 || { \
	    echo "the standard library for $(ARM) is missing: rustup target add $(ARM)"; exit 1; }
	@for cpu in $(ARM_CPUS); do \
	    echo "== $$cpu"; \
	    CC_aarch64_unknown_linux_gnu=$(ARM_GCC) \
	    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$(ARM_GCC) \
	    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $$cpu -L $(ARM_ROOT)" \
	    $(CARGO) test --locked --target $(ARM) -p foretaste-storage -p foretaste-query --lib; \
	done

.PHONY: deny
deny: ## licences, advisories and sources of the dependencies (cargo-deny)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing: cargo install cargo-deny --locked"; exit 1; }
	$(CARGO) deny check

# ------------------------------------------------------------------------------------------------ long runs

.PHONY: fuzz
fuzz: ## run every fuzz target for SECONDS (nightly toolchain)
	@[ -f fuzz/Cargo.toml ] || { echo "fuzz: there is no fuzz/Cargo.toml yet"; exit 1; }
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { \
	    echo "fuzz: skipped, it needs the nightly toolchain: rustup toolchain install nightly"; exit 0; }; \
	$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked; \
	for target in $$($(CARGO) +nightly fuzz list); do \
	    echo "== $$target"; \
	    mkdir -p "fuzz/corpus/$$target"; \
	    seeds=""; [ ! -d "fuzz/seeds/$$target" ] || seeds="fuzz/seeds/$$target"; \
	    [ "$$target" != shell ] || seeds="$$seeds bindings/shell/tests/shell"; \
	    $(CARGO) +nightly fuzz run "$$target" "fuzz/corpus/$$target" $$seeds -- \
	        -max_total_time=$(SECONDS) -rss_limit_mb=2048 -timeout=20; \
	done

.PHONY: crash
crash: ## long crash simulation on the lying disk: ROUNDS random workloads
	@[ -f engine/tests/crash.rs ] || { echo "crash: there is no engine/tests/crash.rs yet"; exit 1; }
	FORETASTE_CRASH_ROUNDS=$(ROUNDS) \
	    $(CARGO) test -p foretaste --locked --test crash -- --include-ignored --nocapture

.PHONY: kill9
kill9: ## kill a writing process KILLS times on the real disk and count what it acknowledged
	@[ -f engine/tests/kill9.rs ] || { echo "kill9: there is no engine/tests/kill9.rs yet"; exit 1; }
	FORETASTE_KILLS=$(KILLS) \
	    $(CARGO) test -p foretaste --locked --test kill9 -- --include-ignored --nocapture

.PHONY: bench
bench: ## micro-benchmarks
	$(CARGO) bench -p foretaste-benches --locked

.PHONY: demo
demo: ## import the demo sentences, ask the demo questions
	$(CARGO) run --release --locked -p foretaste-shell -- demo
