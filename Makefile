# SPDX-License-Identifier: GPL-2.0
#
# Two commands suffice: "make demo" shows what CrowdSharing does, "make check" tests all of it; both
# install what they need. "make" builds, "make install" installs; "make help" lists the rest.
#
# All that is built goes to build/. The module is built for a lane, which is a kernel: 6.1 (Debian
# 12's own), 6.12 (its backport), uml-debug (User-Mode Linux with KASAN, lockdep and the like).

LANE	?= 6.1
BUILD	:= $(CURDIR)/build
PREFIX	?= /usr/local
KVER	?= $(shell uname -r)

KMOD_SOURCES := Kbuild $(wildcard kmod/*.[ch] kmod/selftest/*.[ch] include/*/*.h include/*/*/*.h)

all: modules userspace

modules: setup-build $(BUILD)/$(LANE)/crowdshare.ko

# Kbuild puts objects beside the sources, so each lane gets a copy of them.
$(BUILD)/%/crowdshare.ko: $(KMOD_SOURCES)
	@mkdir -p $(@D)
	@cp -rpu Kbuild kmod include $(@D)/
	$(MAKE) --no-print-directory $$(scripts/vm/kernel --make-args $*) M=$(@D) $(KBUILD_FLAGS) modules
	@touch $@

userspace: setup-build
	$(MAKE) --no-print-directory -C userspace O=$(BUILD)/userspace

selftests: userspace
	$(MAKE) --no-print-directory -C selftests/net O=$(BUILD)/selftests
	$(MAKE) --no-print-directory -C selftests/system O=$(BUILD)/selftests

demo: setup-build setup-vm modules userspace selftests
	scripts/demo
	scripts/story

check: setup-build setup-vm setup-check
	scripts/check

check-deep: setup-build setup-vm setup-check
	scripts/check-deep

bench: setup-build setup-vm setup-bench userspace
	scripts/bench/run -b $(BUILD)

install: userspace
	$(MAKE) --no-print-directory -C userspace O=$(BUILD)/userspace PREFIX=$(PREFIX) install
	$(MAKE) -C /lib/modules/$(KVER)/build M=$(BUILD)/$(LANE) modules_install

setup-%:
	@scripts/setup $*

clean:
	rm -rf $(BUILD)

help:
	@echo 'make demo               install what is missing, build, show a mesh and the whole story in VMs'
	@echo 'make check              install what is missing, build, run every test'
	@echo 'make check-deep         fuzz; network tests on kernels that find data races and misuse'
	@echo 'make bench              install what is missing, measure side by side with other forwarders'
	@echo 'make modules LANE=6.1   crowdshare.ko in build/LANE (6.1, 6.12, uml-debug)'
	@echo 'make userspace          csnl in build/userspace'
	@echo 'make install            csnl and the module for the running kernel'
	@echo 'make clean              remove build/'

.PHONY: all modules userspace selftests demo bench check check-deep install clean help
