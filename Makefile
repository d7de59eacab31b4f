# All there is to building Mailtest. `make help` lists what can be asked for.
#
# One archive holds every object but the mains, so that a test, a fuzz target or a benchmark links the very
# code that the service runs. VARIANT picks a kind of build, each in a folder of its own:
#   (none)  build/        what is shipped
#   asan    build/asan/   gcc with AddressSanitizer and UBSan; `make test VARIANT=asan` tests that one
#   fuzz    build/fuzz/   clang with libFuzzer, AddressSanitizer and UBSan
#   clang   build/clang/  what is shipped, compiled by clang: for its warnings
#   coverage build/coverage/  clang, counting which lines are run
# Objects depend on this file, so a changed flag rebuilds; a changed CC= wants `make clean` or a BUILD= of its own.

VERSION := 0.1.0
VARIANT ?=
BUILD   := build$(VARIANT:%=/%)
OBJ     := $(BUILD)/obj

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
DOCDIR     ?= $(PREFIX)/share/doc/mailtest
EXAMPLEDIR ?= $(PREFIX)/share/mailtest/examples
MANDIR     ?= $(PREFIX)/share/man
SYSUSERDIR ?= $(PREFIX)/lib/sysusers.d
UNITDIR    ?= $(PREFIX)/lib/systemd/system
CONFDIR    ?= $(SYSCONFDIR)/mailtest
APPARMORDIR ?= $(SYSCONFDIR)/apparmor.d
FAIL2BANDIR ?= $(SYSCONFDIR)/fail2ban

PYTHON       := /usr/bin/python3
FUZZ_SECONDS ?= 600
PYTEST_ARGS  ?=
# Tests wait more than they compute: three times the cores. Each has services, ports and folders of its own.
PYTEST_WORKERS ?= $(shell expr 3 \* $$(nproc))

# ---- Compiler and flags ----------------------------------------------------------------------------------------

ifneq ($(filter fuzz clang coverage,$(VARIANT)),)
  CC := clang
else ifeq ($(origin CC),default)
  CC := gcc
endif
CFLAGS ?= -O2 -g
ARCH   := $(shell uname -m)

LIBRARIES := libevent_core libevent_extra libevent_openssl openssl lmdb libsodium libcares libcurl jansson \
             libcyaml libseccomp libsystemd libxxhash zlib
pkg = $(shell pkg-config $1 2>/dev/null)

# V=1 shows whole commands.
say = $(if $(V),,@echo '$1 $@';)

# For a make within a recipe: all cores, unless the caller chose a -j of their own.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations \
            -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wcast-align \
            -Wdate-time -Wnull-dereference

HARDEN_CC := -fPIE -fstack-protector-strong -fstack-clash-protection $(if $(filter x86_64 i%86,$(ARCH)),-fcf-protection)
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
FORTIFY   := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3

# A sanitizer replaces the fortified functions by its own checks, and wants frames to name the caller.
SANITIZE.asan := -fsanitize=address,undefined
SANITIZE.fuzz := -fsanitize=fuzzer-no-link,address,undefined
SANITIZE      := $(SANITIZE.$(VARIANT))
ifneq ($(SANITIZE),)
  FORTIFY  := -U_FORTIFY_SOURCE
  SANITIZE += -fno-sanitize-recover=all -fno-omit-frame-pointer
  # The optimizer sees impossible paths in instrumented code and warns of them.
  WARNINGS += -Wno-null-dereference $(if $(filter asan,$(VARIANT)),-Wno-maybe-uninitialized)
endif

# Counting changes what the optimizer sees.
ifeq ($(VARIANT),coverage)
  CFLAGS   := -O1 -g
  SANITIZE := -fprofile-instr-generate -fcoverage-mapping
  WARNINGS += -Wno-null-dereference
endif

# -UNDEBUG: an assert guards what the next line relies on, so it is part of the program (docs/architecture.md).
ALL_CPPFLAGS := -I. -D_GNU_SOURCE -UNDEBUG -DMAILTEST_VERSION='"$(VERSION)"' \
                -DMAILTEST_CONFIG='"$(CONFDIR)/mailtest.yaml"' $(call pkg,--cflags $(LIBRARIES)) $(CPPFLAGS)
ALL_CFLAGS   := -std=c11 $(WARNINGS) $(HARDEN_CC) $(FORTIFY) $(CFLAGS) $(SANITIZE)
ALL_LDFLAGS  := $(HARDEN_LD) $(SANITIZE) $(LDFLAGS)
ALL_LIBS     := $(call pkg,--libs $(LIBRARIES)) $(LDLIBS)

# ---- What there is ---------------------------------------------------------------------------------------------

FOLDERS := lib finder meaning store smtpd imapd lookup webhook signer mailtestd ctl checker find
SOURCES := $(wildcard $(FOLDERS:%=%/*.c))
MAINS   := mailtestd/main.c ctl/main.c checker/main.c find/main.c

UNIT    := $(wildcard tests/unit/test_*.c)
FUZZERS := $(wildcard tests/fuzz/fuzz_*.c)
BENCHES := $(wildcard bench/*.c)
COMMON  := $(wildcard bench/common/*.c)
PRELOAD := $(wildcard tests/preload/*.c)
SIMULATION := $(wildcard tests/simulation/*.c)
EVERY_C := $(SOURCES) $(UNIT) $(FUZZERS) $(BENCHES) $(COMMON) $(PRELOAD) $(SIMULATION)

ARCHIVE        := $(BUILD)/libmailtest.a
PROGRAMS       := $(addprefix $(BUILD)/,mailtestd mailtestctl mailtest-check mailtest-find)
UNIT_PROGRAMS  := $(UNIT:%.c=$(BUILD)/%)
FUZZ_PROGRAMS  := $(FUZZERS:%.c=$(BUILD)/%)
BENCH_PROGRAMS := $(BENCHES:%.c=$(BUILD)/%)
PRELOAD_LIBRARIES := $(PRELOAD:%.c=$(BUILD)/%.so)
SIMULATE       := $(BUILD)/tests/simulation/simulate

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory

.PHONY: all help packages clean have-libraries
all: $(PROGRAMS)                        ## build the programs into build/

help:                                   ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

packages:                               ## install the Debian packages that building, running and testing need
	tools/install-packages build run test lint fuzz

clean:                                  ## remove build/
	rm -rf build

# ---- Compiling and linking -------------------------------------------------------------------------------------

have-libraries:
	@pkg-config --exists $(LIBRARIES) 2>/dev/null || { echo "make: libraries are missing; 'make packages' installs them" >&2; exit 1; }

$(OBJ)/%.o: %.c Makefile | have-libraries
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(ARCHIVE): $(patsubst %.c,$(OBJ)/%.o,$(filter-out $(MAINS),$(SOURCES)))
	@rm -f $@
	$(call say,AR  )ar rcs $@ $^

define link
@mkdir -p $(@D)
$(call say,LINK)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(ARCHIVE) $(ALL_LIBS) $1
endef

$(BUILD)/mailtestd:      $(OBJ)/mailtestd/main.o $(ARCHIVE)
	$(call link)
$(BUILD)/mailtestctl:    $(OBJ)/ctl/main.o $(ARCHIVE)
	$(call link)
$(BUILD)/mailtest-check: $(OBJ)/checker/main.o $(ARCHIVE)
	$(call link)
$(BUILD)/mailtest-find:  $(OBJ)/find/main.o $(ARCHIVE)
	$(call link)
$(UNIT_PROGRAMS): $(BUILD)/%: $(OBJ)/%.o $(ARCHIVE)
	$(call link,$(call pkg,--libs cmocka))
$(SIMULATE): $(SIMULATION:%.c=$(OBJ)/%.o) $(ARCHIVE)
	$(call link,$(call pkg,--libs cmocka))
$(FUZZ_PROGRAMS): $(BUILD)/%: $(OBJ)/%.o $(ARCHIVE)
	$(call link,-fsanitize=fuzzer)
$(BENCH_PROGRAMS): $(BUILD)/%: $(OBJ)/%.o $(COMMON:%.c=$(OBJ)/%.o) $(ARCHIVE)
	$(call link)

# What tests preload into the service's processes.
$(PRELOAD_LIBRARIES): $(BUILD)/%.so: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -shared -o $@ $<

# GMime is only what the finder is measured against, so it is asked for here alone.
GMIME_BENCH := $(BUILD)/bench/finder_gmime
$(GMIME_BENCH): bench/gmime/finder_gmime.c Makefile
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $$(pkg-config --cflags gmime-3.0) -o $@ $< $$(pkg-config --libs gmime-3.0)

-include $(EVERY_C:%.c=$(OBJ)/%.d)

# ---- Running ---------------------------------------------------------------------------------------------------

.PHONY: run demo
run: all                                ## the service in the foreground on loopback (conf/dev.yaml, state in ./var)
	$(BUILD)/mailtestd -c conf/dev.yaml

# Packages first, then a make of its own: what pkg-config says is read when a make starts.
demo:                                   ## the main job through a real mail server; KEEP=1 leaves it running
	tools/install-packages build run
	$(MAKE) $(PARALLEL) all
	$(PYTHON) tools/demo --build $(BUILD) $(if $(KEEP),--keep)

# ---- Testing ---------------------------------------------------------------------------------------------------

# What was freed is kept back for long by default, which tests of memory bounds would take for growth.
export ASAN_OPTIONS ?= quarantine_size_mb=16

.PHONY: test test-programs unit e2e asan fuzz fuzz-short fuzz-programs
test:                                   ## all tests; VARIANT=asan: against the sanitizer build
	tools/install-packages build run test
	$(MAKE) $(PARALLEL) all test-programs
	@status=0; $(MAKE) unit || status=1; $(MAKE) e2e || status=1; exit $$status

test-programs: $(UNIT_PROGRAMS) $(SIMULATE) $(PRELOAD_LIBRARIES)

unit: $(UNIT_PROGRAMS) $(SIMULATE)      ## the unit tests alone, with a simulated day of 2,000 checks
	$(PYTHON) tools/run-unit $^

.PHONY: simulate
SIMULATE_CHECKS ?= 20000
simulate:                               ## a simulated day of 20,000 checks: an even load, and exactly the right alerts
	tools/install-packages build test
	$(MAKE) $(PARALLEL) $(SIMULATE)
	$(SIMULATE) $(SIMULATE_CHECKS)

# The IMAP client from the npm registry: what package-lock.json names with its checksums. No scripts of packages are run.
IMAPFLOW := $(BUILD)/imapflow/node_modules/.package-lock.json
$(IMAPFLOW): tests/e2e/imapflow/package.json tests/e2e/imapflow/package-lock.json
	@mkdir -p $(BUILD)/imapflow
	@cp $^ $(BUILD)/imapflow
	$(call say,NPM )npm ci --prefix $(BUILD)/imapflow --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

e2e: all $(PRELOAD_LIBRARIES) $(IMAPFLOW)                    ## the end-to-end tests alone; PYTEST_ARGS='-k drain' picks some
	MAILTEST_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest tests/e2e -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

# A target is attacked by one process, with one mailbox. Times are measured when all else is done.
ATTACK_TARGET ?=
ATTACK_PYTEST  = ATTACK=1 ATTACK_TARGET=$(ATTACK_TARGET) PYTHONPATH=tests/e2e MAILTEST_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -p attack_table \
                 -q --tb=short $(PYTEST_ARGS)

.PHONY: attack
attack: all                             ## the hostile tests, as a table; ATTACK_TARGET=/etc/mailtest/mailtest.yaml: against a running service
	@status=0; $(ATTACK_PYTEST) $(if $(ATTACK_TARGET),-n 0,-n $(PYTEST_WORKERS)) $(filter-out %_timing.py,$(wildcard tests/e2e/test_attack_*.py)) || status=1; \
	    $(if $(ATTACK_TARGET),,$(ATTACK_PYTEST) tests/e2e/test_attack_timing.py || status=1;) exit $$status

asan:                                   ## build programs and unit tests with AddressSanitizer and UBSan into build/asan
	$(MAKE) $(PARALLEL) VARIANT=asan all test-programs

fuzz-programs: $(FUZZ_PROGRAMS)

fuzz:                                   ## each fuzz target for FUZZ_SECONDS (600), growing build/fuzz/found
	tools/install-packages build fuzz
	$(MAKE) $(PARALLEL) VARIANT=fuzz fuzz-programs
	tools/run-fuzz build/fuzz $(FUZZ_SECONDS)

fuzz-short:                             ## each fuzz target for three seconds, as CI does
	$(MAKE) fuzz FUZZ_SECONDS=3

.PHONY: coverage
COVERAGE_MIN ?= 90
coverage:                               ## lines of the parsers that unit tests and kept corpora run; fails below COVERAGE_MIN (90) percent
	tools/install-packages build test fuzz
	$(MAKE) $(PARALLEL) VARIANT=coverage test-programs fuzz-programs
	tools/coverage build/coverage $(COVERAGE_MIN)

.PHONY: valgrind
valgrind: all $(PRELOAD_LIBRARIES)                    ## one session of each protocol under valgrind: no wrong access, no leak
	tools/install-packages run test
	MAILTEST_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest tests/e2e/test_valgrind.py $(PYTEST_ARGS)

.PHONY: soak
SOAK_MESSAGES ?= 1000000
soak:                                   ## deliveries, readings and expiry at a steady size: memory, file and times must stay flat
	tools/install-packages build run test
	$(MAKE) $(PARALLEL) all $(BUILD)/bench/smtp_load
	$(PYTHON) tests/soak/run --build $(BUILD) --messages $(SOAK_MESSAGES)

.PHONY: crash
# SEED=N repeats a run; CRASH_ARGS='--only ext4' or '--scale 10' runs a part.
crash:                                  ## crashes, power cuts and faults under load for long, as a table (docs/reliability.md)
	tools/install-packages build run test
	$(MAKE) $(PARALLEL) all
	MAILTEST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/crash/run $(if $(SEED),--seed $(SEED)) $(CRASH_ARGS)

# ---- Measuring -------------------------------------------------------------------------------------------------

.PHONY: bench bench-programs
bench-programs: $(BENCH_PROGRAMS) $(GMIME_BENCH)

bench:                                  ## speed as ratios against peers (docs/performance.md)
	tools/install-packages build run bench
	$(MAKE) $(PARALLEL) all bench-programs
	bench/run

# ---- Lint: both compilers without a warning, clang-tidy, cppcheck, the scripts, and what the linker made ---------

.PHONY: lint lint-compile lint-tidy lint-cppcheck lint-scripts lint-hardening lint-apparmor analyze analyze-gcc analyze-clang
lint:                                   ## compilers' warnings, clang-tidy, cppcheck, scripts, hardening of the programs, AppArmor profile
	tools/install-packages build test lint
	$(MAKE) $(PARALLEL) --output-sync=target lint-compile lint-tidy lint-cppcheck lint-scripts lint-hardening lint-apparmor

analyze:                                ## gcc -fanalyzer and scan-build over the whole service (some minutes)
	tools/install-packages build lint
	$(MAKE) $(PARALLEL) --output-sync=target analyze-gcc
	$(MAKE) analyze-clang

# The fuzz targets have no main of their own, so they are only compiled. clang's warnings need no code made.
lint-compile: all $(UNIT_PROGRAMS) $(SIMULATE) $(BENCH_PROGRAMS) $(FUZZERS:%.c=$(OBJ)/%.o)
	$(MAKE) VARIANT=clang $(EVERY_C:%=build/clang/checked/%.checked)

$(BUILD)/checked/%.c.checked: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CHK )$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fsyntax-only -MMD -MP -MF $@.d -MT $@ $<
	@touch $@

-include $(EVERY_C:%=$(BUILD)/checked/%.checked.d)

# TIDY='$(SOURCES)' leaves out what only tests and measures.
TIDY ?= $(EVERY_C)
lint-tidy: $(TIDY:%=$(BUILD)/lint/%.tidied)

# The object stands for the headers: it is newer when one of them changed. Paths are followed in what is shipped; tests run by themselves.
$(BUILD)/lint/%.c.tidied: %.c $(OBJ)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY)clang-tidy --quiet $(if $(filter tests/% bench/%,$<),--checks=-clang-analyzer-*) $< -- $(ALL_CPPFLAGS) -std=c11 $(WARNINGS) 2>$@.err || { cat $@.err >&2; exit 1; }
	@rm -f $@.err && touch $@

# It reads no system header by itself, but has to know the macros that make loops and lists. Outputs here are set on
# success alone, which it does not follow from call to call (uninitvar); gcc does.
MACROS := /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)/sys/queue.h /usr/include/jansson.h

lint-cppcheck:
	@mkdir -p build/cppcheck
	@echo CPPCHECK
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=ctuuninitvar --suppress=uninitvar $(MACROS:%=--include=%) \
	    --cppcheck-build-dir=build/cppcheck -I. -D_GNU_SOURCE -D__linux__ $(EVERY_C)

SCRIPTS := $(shell find tools bench .ci conf/examples -type f)

lint-scripts:
	@echo SHELLCHECK
	@shellcheck $$(awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME }' $(SCRIPTS))
	@echo PYFLAKES
	@pyflakes3 tests $$(awk 'FNR == 1 && /^#!\/usr\/bin\/python3/ { print FILENAME }' $(SCRIPTS))

lint-hardening: $(PROGRAMS)
	@echo HARDENING
	@tools/check-hardening $^

# Loaded into no kernel: only whether it can be read and compiled.
lint-apparmor:
	@echo APPARMOR
	@apparmor_parser --quiet --skip-kernel-load --skip-cache conf/apparmor.d/mailtestd

# gcc follows no call into another file, so it takes for failed, and at once for done, what one function tells another with its result:
# what is set on success (use-of-uninitialized-value), and what a list or a struct keeps from then on (malloc-leak). Both are looked for where
# they can be seen, by the sanitizers and valgrind in all tests.
ANALYZER := -fanalyzer -Wno-analyzer-use-of-uninitialized-value -Wno-analyzer-malloc-leak

# It does not count: who still holds a peer, so that the first to let go of it does not free it.
ANALYZER.store/peer.c := -Wno-analyzer-use-after-free

analyze-gcc: $(SOURCES:%=$(BUILD)/analyze/%.analyzed)

$(BUILD)/analyze/%.c.analyzed: %.c $(OBJ)/%.o
	@mkdir -p $(@D)
	$(call say,GCC )gcc $(ALL_CPPFLAGS) -std=c11 -O1 -Werror $(ANALYZER) $(ANALYZER.$<) -c -o $@ $<

# As in .clang-tidy, which has the reasons; and three more of the same kind, which only this one takes for reachable.
SCAN_WITHOUT := core.CallAndMessage core.UndefinedBinaryOperatorResult core.uninitialized.Assign unix.Malloc core.uninitialized.Branch \
                core.uninitialized.ArraySubscript core.uninitialized.UndefReturn
analyze-clang:
	@rm -rf $(BUILD)/scan
	scan-build --status-bugs --use-cc=clang $(SCAN_WITHOUT:%=-disable-checker %) -o $(BUILD)/scan-reports \
	    $(MAKE) $(PARALLEL) BUILD=$(BUILD)/scan CFLAGS=-O1 all

# ---- Installing ------------------------------------------------------------------------------------------------

# For other monitoring systems (docs/checker.md).
EXAMPLES         := $(patsubst conf/examples/%,%,$(filter-out %/.,$(wildcard conf/examples/mailtest-* conf/examples/*/*)))
EXAMPLE_PROGRAMS := mailtest-results checkmk/mailtest_checks

.PHONY: install uninstall
install: all                            ## programs, configuration, service unit, documents; honours PREFIX and DESTDIR
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(CONFDIR)
	install -m 755 $(BUILD)/mailtestd $(BUILD)/mailtestctl $(DESTDIR)$(SBINDIR)
	install -m 755 $(BUILD)/mailtest-check $(BUILD)/mailtest-find $(DESTDIR)$(BINDIR)
	install -m 644 README.md $(wildcard docs/*.md docs/*.yaml) conf/mailtest.yaml conf/checks.yaml $(DESTDIR)$(DOCDIR)
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 $(wildcard docs/*.1)
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 $(wildcard docs/*.8)
	install -D -m 644 conf/mailtest.sysusers $(DESTDIR)$(SYSUSERDIR)/mailtest.conf
	# An operator's settings outlive an upgrade; the new reference lies among the documents.
	test -e $(DESTDIR)$(CONFDIR)/mailtest.yaml || install -m 644 conf/mailtest.yaml $(DESTDIR)$(CONFDIR)
	test -e $(DESTDIR)$(CONFDIR)/blocklists.yaml || install -m 644 conf/blocklists.yaml $(DESTDIR)$(CONFDIR)
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) $(wildcard conf/*.service conf/*.socket)
	sed -i 's|=mailtestd |=$(SBINDIR)/mailtestd |; s|/etc/mailtest/|$(CONFDIR)/|' $(DESTDIR)$(UNITDIR)/mailtestd.service
	sed -i 's|=mailtest-check |=$(BINDIR)/mailtest-check |; s|/etc/mailtest/|$(CONFDIR)/|' $(DESTDIR)$(UNITDIR)/mailtest-check.service
	install -m 644 conf/separate-users.conf $(DESTDIR)$(DOCDIR)
	install -D -m 644 -t $(DESTDIR)$(APPARMORDIR) conf/apparmor.d/mailtestd
	install -D -m 644 -t $(DESTDIR)$(FAIL2BANDIR)/filter.d conf/fail2ban/filter.d/mailtest.conf
	# Who is banned from what the operator decides: the jail is an example.
	install -m 644 conf/fail2ban/jail.d/mailtest.conf $(DESTDIR)$(DOCDIR)/fail2ban-jail.conf
	sed -i 's|/usr/{,local/}sbin/|$(SBINDIR)/|; s|/etc/mailtest/|$(CONFDIR)/|' $(DESTDIR)$(APPARMORDIR)/mailtestd
	$(foreach f,$(EXAMPLES),install -D -m $(if $(filter $(EXAMPLE_PROGRAMS),$(f)),755,644) conf/examples/$(f) $(DESTDIR)$(EXAMPLEDIR)/$(f) &&) :
	sed -i 's|/usr/local/share/mailtest/examples/|$(EXAMPLEDIR)/|g; s|/usr/local/bin/|$(BINDIR)/|g; s|/usr/local/sbin/|$(SBINDIR)/|g; s|/etc/mailtest/|$(CONFDIR)/|g' \
	    $(EXAMPLES:%=$(DESTDIR)$(EXAMPLEDIR)/%)

uninstall:                              ## what install put there, but for the configuration
	rm -f $(DESTDIR)$(SBINDIR)/mailtestd $(DESTDIR)$(SBINDIR)/mailtestctl $(DESTDIR)$(BINDIR)/mailtest-check $(DESTDIR)$(BINDIR)/mailtest-find
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(wildcard conf/*.service conf/*.socket))) $(DESTDIR)$(APPARMORDIR)/mailtestd
	rm -f $(DESTDIR)$(FAIL2BANDIR)/filter.d/mailtest.conf
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(wildcard docs/*.1))) $(DESTDIR)$(SYSUSERDIR)/mailtest.conf
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(wildcard docs/*.8)))
	rm -rf $(DESTDIR)$(DOCDIR) $(DESTDIR)$(EXAMPLEDIR)
