# swarmbox - build, test, install.
#
#	make			the static musl binary: $(BUILD)/swarmbox
#	make check		every test; the last line is "N passed, N failed"
#	make unit		the unit tests, under the address and undefined sanitizers
#	make ONLY="base http" unit	only these layers and their tests
#	make sim SEED=7 | SEEDS=1-1000	the simulator
#	make mutate		proof that it can fail: faults made on purpose, one by one
#	make fuzz SECONDS_EACH=60	every fuzzer
#	make cov		the unit tests' line coverage
#	make install DESTDIR= PREFIX=/usr/local INIT=systemd|openrc|procd
#	make quickstart | quickstart-down | image | bench | check-slow | soak | clean
#
# BUILD and DEPS may be set, so that several builds do not meet; V=1 shows commands.
# CC is the compiler of the shipped binary, HOSTCC the one of the tests. Another
# machine's binary: make CC=aarch64-linux-musl-gcc BUILD=... DEPS=...

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.SECONDARY:

BUILD ?= build
DEPS ?= build/deps
PREFIX ?= /usr/local
INIT ?= systemd
SECONDS_EACH ?= 10
SEEDS ?= $(if $(SEED),$(SEED)-$(SEED),1-1000)
ifeq ($(origin CC),default)
CC := musl-gcc
endif
CC ?= musl-gcc
HOSTCC ?= gcc
FUZZCC ?= clang
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-7s %s\n' '$(1)' '$(2)')

# ---- what there is -------------------------------------------------------------

CORE := $(sort $(wildcard core/*/*.c))
APPLETS := $(sort $(wildcard applets/*.c applets/*/*.c applets/*/*/*.c))
UNIT := $(sort $(wildcard tests/unit/*.c))
ifdef ONLY
CORE := $(foreach l,$(ONLY),$(filter core/$l/%,$(CORE)))
APPLETS := $(foreach l,$(ONLY),$(filter applets/$l/%,$(APPLETS)))
UNIT := $(filter tests/unit/unit.c tests/unit/scratch.c tests/unit/devcert.c,$(UNIT)) \
	$(foreach l,$(ONLY),$(filter tests/unit/$l_% tests/unit/test_$l_%,$(UNIT)))
endif
MAIN := applets/main.c
WIRING := $(MAIN) applets/applets.c $(wildcard applets/*/main*.c applets/*/*/main*.c)
PURE := $(filter-out core/io/% $(WIRING),$(CORE) $(APPLETS))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
SIM := $(sort $(wildcard tests/sim/*.c))

# ---- how it is compiled --------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wmissing-prototypes -Werror
BASE := -std=c11 -D_GNU_SOURCE -Iinclude -I. -Itests/unit -pipe -fno-common
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
LIBS := -lbearssl -ltomcrypt -ltommath -lcjson -lyaml

# Each flavour: its compiler, flags, and which build of the libraries it takes.
# The release keeps its assertions: a broken promise stops the process.
cc_release = $(CC)
flags_release := $(BASE) $(WARN) -Os -g -ffunction-sections -fdata-sections \
	-fstack-protector-strong -fPIE -fno-asynchronous-unwind-tables
# What every write goes through is compiled for speed.
fast := core/base core/http core/raft
$(addsuffix /%.o,$(addprefix $(BUILD)/obj/release/,$(fast))): speed := -O2
deps_release := musl
cc_asan = $(HOSTCC)
# At -O1 with sanitizers gcc's flow warnings are guesses; the other flavours keep them.
flags_asan := $(BASE) $(WARN) -Wno-maybe-uninitialized -O1 -g -fno-omit-frame-pointer $(SAN)
deps_asan := host
cc_cov = $(HOSTCC)
flags_cov := $(BASE) $(WARN) -O0 -g --coverage -fprofile-update=atomic
deps_cov := host
cc_host = $(HOSTCC)
flags_host := $(BASE) $(WARN) -O2 -g
deps_host := host
cc_fuzz = $(FUZZCC)
flags_fuzz := $(BASE) -w -O1 -g -fno-omit-frame-pointer $(SAN) -fsanitize=fuzzer-no-link
deps_fuzz := host

obj = $(patsubst %.c,$(BUILD)/obj/$(1)/%.o,$(2))

all: $(BUILD)/swarmbox

# flavour NAME: objects and one archive of all that is not a program's entry. It is
# appended to (q), as r would take two files of one name for the same member.
define flavour
$(BUILD)/obj/$(1)/%.o: %.c $(DEPS)/$(deps_$(1))/stamp Makefile
	$$(call say,CC,$(1)/$$*)
	@mkdir -p $$(@D)
	$$Q$$(cc_$(1)) $$(flags_$(1)) $$(speed) $$(if $$(filter applets/%,$$<),-DSB_VERSION='"$$(VERSION)"') \
		-isystem $(DEPS)/$(deps_$(1))/include \
		$$(if $$(filter musl,$(deps_$(1))),-isystem $(DEPS)/musl/kernel-include) \
		-MMD -MP -c $$< -o $$@
$(BUILD)/obj/$(1)/libswarmbox.a: $(call obj,$(1),$(filter-out $(MAIN),$(CORE) $(APPLETS))) \
		$(BUILD)/obj/members
	$$(call say,AR,$(1))
	@mkdir -p $$(@D)
	$$Qrm -f $$@ && $$$$($$(cc_$(1)) -print-prog-name=ar) qcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,release asan cov host fuzz,$(eval $(call flavour,$f)))

# A file that went, or another ONLY, changes no object but what is linked.
members := $(CORE) $(APPLETS) $(UNIT) $(SIM)
$(BUILD)/obj/members: FORCE
	@mkdir -p $(@D)
	@echo '$(members)' | cmp -s - $@ || echo '$(members)' >$@
FORCE:

libs = -L$(DEPS)/$(deps_$(1))/lib $(LIBS)

$(DEPS)/musl/stamp: tools/deps
	$Q CC='$(CC)' HOSTCC='$(HOSTCC)' tools/deps --out $(DEPS) musl && touch $@
$(DEPS)/host/stamp: tools/deps
	$Q CC='$(CC)' HOSTCC='$(HOSTCC)' tools/deps --out $(DEPS) host && touch $@

# ---- the release ---------------------------------------------------------------

# musl's own wrapper knows no -static-pie (its specs always take Scrt1.o), so its
# start files are named here; a whole musl toolchain does it by itself.
SHRINK := -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=sha1
ifeq ($(notdir $(firstword $(CC))),musl-gcc)
hash := \#
CRT := $(patsubst %/Scrt1.o,%,$(shell $(CC) -pie '-$(hash)$(hash)$(hash)' -x c /dev/null 2>&1 | \
	grep -o '[^" ]*/Scrt1\.o'))
PIE_HEAD = -nostartfiles -Wl,-static,-pie,--no-dynamic-linker,-z,text $(CRT)/rcrt1.o $(CRT)/crti.o
PIE_TAIL = $(CRT)/crtn.o
else
PIE_HEAD := -static-pie
PIE_TAIL :=
endif

$(BUILD)/swarmbox.debug: $(call obj,release,$(MAIN)) $(BUILD)/obj/release/libswarmbox.a
	$(call say,LD,$@)
	$Q$(CC) -fPIE $(SHRINK),-Map=$(BUILD)/obj/release/map $(PIE_HEAD) -o $@ $^ $(call libs,release) $(PIE_TAIL)
$(BUILD)/swarmbox: $(BUILD)/swarmbox.debug
	$(call say,STRIP,$@)
	$Q$$($(CC) -print-prog-name=strip) -o $@ $<

# ---- tests ---------------------------------------------------------------------

$(BUILD)/asan/unit: $(call obj,asan,$(UNIT)) $(BUILD)/obj/asan/libswarmbox.a
$(BUILD)/asan/swarmbox: $(call obj,asan,$(MAIN)) $(BUILD)/obj/asan/libswarmbox.a
$(BUILD)/asan/unit $(BUILD)/asan/swarmbox:
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(HOSTCC) $(SAN) -o $@ $^ $(call libs,asan)

$(BUILD)/cov/unit: $(call obj,cov,$(UNIT)) $(BUILD)/obj/cov/libswarmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(HOSTCC) --coverage -o $@ $^ $(call libs,cov)

$(BUILD)/sim: $(call obj,host,$(SIM)) $(BUILD)/obj/host/libswarmbox.a
	$(call say,LD,$@)
	$Q$(HOSTCC) -o $@ $^ $(call libs,host)

# The lab's clients share no more with what they test than this.
ATTACK := $(sort $(wildcard tests/lab/attack*.c))
KVLOAD := $(filter-out $(ATTACK),$(sort $(wildcard tests/lab/*.c core/base/*.c))) core/codec/base64.c
$(BUILD)/kvload: $(call obj,host,$(KVLOAD))
	$(call say,LD,$@)
	$Q$(HOSTCC) -pthread -o $@ $^ $(call libs,host)
# What is sent to the cluster port by those who mean harm.
$(BUILD)/attack: $(call obj,host,$(ATTACK)) $(BUILD)/obj/host/libswarmbox.a
	$(call say,LD,$@)
	$Q$(HOSTCC) -o $@ $^ $(call libs,host)

# What is measured of a part, without the rest.
$(BUILD)/handshake: $(call obj,host,tests/bench/handshake.c tests/unit/devcert.c) \
		$(BUILD)/obj/host/libswarmbox.a
	$(call say,LD,$@)
	$Q$(HOSTCC) -o $@ $^ $(call libs,host)
$(BUILD)/agents: $(call obj,host,tests/bench/agents.c) $(BUILD)/obj/host/libswarmbox.a
	$(call say,LD,$@)
	$Q$(HOSTCC) -o $@ $^ $(call libs,host)

$(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/tests/fuzz/%.o $(BUILD)/obj/fuzz/libswarmbox.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(FUZZCC) $(SAN) -fsanitize=fuzzer -o $@ $^ $(call libs,fuzz)

.PHONY: FORCE all asan unit unit-bin cov fuzz fuzz-bin sim sim-bin mutate tidy purity size check check-slow \
	check-bin soak bench deps quickstart quickstart-down image install clean

deps: $(DEPS)/musl/stamp $(DEPS)/host/stamp
asan: $(BUILD)/asan/unit $(if $(wildcard $(MAIN)),$(BUILD)/asan/swarmbox)
fuzz-bin: $(addprefix $(BUILD)/fuzz/,$(FUZZERS))
sim-bin: $(if $(SIM),$(BUILD)/sim)
purity-bin: $(call obj,release,$(PURE))
check-bin: purity-bin asan fuzz-bin sim-bin $(if $(wildcard $(MAIN)),$(BUILD)/swarmbox) $(BUILD)/kvload $(BUILD)/attack

unit: $(BUILD)/asan/unit
	$Q$< $(TESTS)

cov: $(BUILD)/cov/unit
	$Qfind $(BUILD)/obj/cov -name '*.gcda' -delete
	$Q$<
	$Qtools/coverage $(BUILD)/obj/cov

fuzz: fuzz-bin
	$QBUILD=$(BUILD) tools/fuzz $(SECONDS_EACH) $(FUZZERS)

sim: sim-bin
	$Q$(if $(SIM),$(BUILD)/sim --seeds $(SEEDS),echo 'there is no tests/sim yet')

mutate: $(call obj,host,$(SIM)) $(BUILD)/obj/host/libswarmbox.a
	$QBUILD='$(BUILD)' MUTATE_SIM='$(call obj,host,$(SIM))' \
		MUTATE_CC='$(cc_host) $(flags_host) -DSB_VERSION=\"mutant\" -isystem $(DEPS)/host/include' \
		MUTATE_LINK='$(BUILD)/obj/host/libswarmbox.a $(call libs,host)' tests/sim/mutate

tidy:
	$Qtools/tidy

purity: purity-bin
	$QNM="$$($(CC) -print-prog-name=nm)" tools/purity $(BUILD)/obj/release $(DEPS)/musl/lib $(PURE)

size: $(BUILD)/swarmbox
	$Qtools/size $< $(BUILD)/obj/release/map

# tools/check runs the stages one after the other and adds their numbers up.
check:
	$Q+MAKE='$(MAKE)' BUILD='$(BUILD)' DEPS='$(DEPS)' tools/check
check-slow:
	$Q+MAKE='$(MAKE)' BUILD='$(BUILD)' DEPS='$(DEPS)' tools/check --slow
soak: all $(BUILD)/kvload
	$QBUILD='$(abspath $(BUILD))' SWARMBOX='$(abspath $(BUILD)/swarmbox)' tests/lab/soak
bench: all $(BUILD)/kvload $(BUILD)/agents $(BUILD)/handshake
	$QBUILD='$(abspath $(BUILD))' SWARMBOX='$(abspath $(BUILD)/swarmbox)' tests/bench/run

# ---- use -----------------------------------------------------------------------

quickstart:
	$QBUILD='$(BUILD)' tools/quickstart
quickstart-down:
	$QBUILD='$(BUILD)' tools/quickstart down
image: all
	$QBUILD='$(BUILD)' tools/image

BIN := $(DESTDIR)$(PREFIX)/bin
SHARE := $(DESTDIR)$(PREFIX)/share/swarmbox
install: all
	install -d $(BIN) $(SHARE)/openrc $(SHARE)/procd $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(BUILD)/swarmbox $(BIN)/swarmbox
	$Qfor a in $$($(BUILD)/swarmbox --list); do ln -sf swarmbox $(BIN)/swarmbox-$$a; done
	sed 's,@BIN@,$(PREFIX)/bin,' tools/units/swarmbox@.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/swarmbox@.service
	sed 's,@BIN@,$(PREFIX)/bin,' tools/units/openrc >$(SHARE)/openrc/swarmbox
	sed 's,@BIN@,$(PREFIX)/bin,' tools/units/procd >$(SHARE)/procd/swarmbox
	$(if $(filter openrc procd,$(INIT)),install -D -m 755 $(SHARE)/$(INIT)/swarmbox \
		$(DESTDIR)/etc/init.d/swarmbox)

# The libraries stay: tools/deps knows when they are stale. rm -rf build takes all.
clean:
	rm -rf $(BUILD)/obj $(BUILD)/asan $(BUILD)/cov $(BUILD)/fuzz $(BUILD)/sim $(BUILD)/check \
		$(BUILD)/kvload $(BUILD)/attack $(BUILD)/swarmbox $(BUILD)/swarmbox.debug

-include $(foreach f,release asan cov host fuzz,$(patsubst %.o,%.d, \
	$(call obj,$f,$(CORE) $(APPLETS) $(UNIT) $(SIM) $(wildcard tests/fuzz/*.c tests/lab/*.c))))
