# SPDX-License-Identifier: GPL-2.0-only
#
# Makefile - what one types; "make help" lists it.  kbuild does not read this
# file but arch/x86/kvm/Kbuild, and in a mirror of the tree below build/, where
# all downloads and products go.

LAB := tools/testing/lab
BUILD := build

# The test host runs Debian's stock kernel, whatever runs here.  Its modules are
# in build/module; those for another kernel are in a directory of their own.
KDIR ?= $(wildcard /lib/modules/$(shell uname -r)/build)
ifneq ($(KDIR),)
# Not "make kernelrelease": of Debian's headers that is the upstream version.
RELEASE := $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
OUT := $(BUILD)/module-$(RELEASE)
endif

INSTALL_HDR_PATH ?= $(BUILD)/usr
UPDATES = $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)/updates

MAKEFLAGS += --no-print-directory

.PHONY: all help module run torture check bench lint install uninstall headers_install clean

all:
ifneq ($(KDIR),)
	@$(LAB)/packages gcc make binutils
	@echo "Building the modules for $(RELEASE)"
	@$(LAB)/module $(KDIR) $(OUT)
	@ls $(OUT)/*.ko
else
	@echo 'No headers for the running kernel, nor KDIR=: building for the test host.'
	@$(MAKE) module
endif

help:
	@echo 'Building:'
	@echo '  all              kvm.ko for the running kernel, or for KDIR=<headers>'
	@echo '  install          put it under updates/ of that kernel'
	@echo '  uninstall        take it away again'
	@echo '  headers_install  uapi headers into INSTALL_HDR_PATH= (default $(BUILD)/usr)'
	@echo '  clean            remove what was built, keep what was downloaded'
	@echo
	@echo 'On the test host, which these set up themselves on Debian 12:'
	@echo '  run              a running guest, moved with its events; Linux on four processors'
	@echo '  torture          the same at every instruction boundary, beside Debian'\''s KVM'
	@echo '  check            lint, unit tests, kselftests on two KVMs, short runs'
	@echo '  bench            what operations cost, beside Debian'\''s KVM'
	@echo '  lint             W=1, sparse, checkpatch, every header by itself'
	@echo '  module           kvm.ko for the test host'

module:
	@$(LAB)/packages gcc make binutils
	@kdir=$$($(LAB)/kernel --headers) && \
		echo "Building the modules for the test host's kernel, $${kdir##*linux-headers-}" && \
		$(LAB)/module $$kdir $(BUILD)/module

run: module
	@$(LAB)/run-qemu
	@$(LAB)/run-linux
	@$(LAB)/run-small-linux
	@$(LAB)/run-moves
	@$(LAB)/run-moves --vendor intel --moves 500

torture: module
	@$(LAB)/run-torture --table

check:
	@$(LAB)/check

bench: module
	@$(LAB)/packages python3
	@$(LAB)/bench

lint:
	@$(LAB)/lint

install:
	@test -n '$(KDIR)' || \
		{ echo 'No headers for the running kernel, nor KDIR=: not installed.' >&2; exit 1; }
	@$(MAKE) all
	install -d $(UPDATES)
	install -m 644 $(OUT)/kvm.ko $(OUT)/kvm-amd.ko $(OUT)/kvm-intel.ko $(UPDATES)
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(RELEASE)

uninstall:
	rm -f $(addprefix $(UPDATES)/,kvm.ko kvm-amd.ko kvm-intel.ko)
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(RELEASE)

# Userspace knows no __user and reads the kernel's types from <linux/types.h>.
headers_install:
	@install -d $(INSTALL_HDR_PATH)/include/linux $(INSTALL_HDR_PATH)/include/asm
	@for header in include/uapi/linux/kvm.h arch/x86/include/uapi/asm/kvm*.h; do \
		sed -e 's/[[:space:]]__user[[:space:]]/ /' -e '/<linux\/compiler.h>/d' $$header \
			>$(INSTALL_HDR_PATH)/include/$${header#*uapi/} || exit 1; \
	done
	@echo "Installed into $(INSTALL_HDR_PATH)/include"

clean:
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name kernel ! -name linux-source -exec rm -rf {} + 2>/dev/null || true
