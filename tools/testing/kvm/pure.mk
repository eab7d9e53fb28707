# SPDX-License-Identifier: GPL-2.0-only
#
# pure.mk - host tests of pure files; included by the Makefile beside the tests, which says
#
#   SOURCES   what is tested, below arch/x86/kvm, and what that needs
#   TESTS     the tests' own sources, if not unit.c
#   HEADERS   besides those that all have
#   MUTANTS   FILE:LIST pairs: faults of this source or header, a sed script each
#
# "check" runs the tests as gcc and as clang build them, with sanitizers, and then "mutants": does
# each fault listed there make a test fail?

ROOT := $(abspath ../../../..)
KVM := $(ROOT)/arch/x86/kvm
OUT ?= $(ROOT)/build/pure/$(notdir $(CURDIR))
TESTS ?= unit.c

tested := $(addprefix $(KVM)/,$(SOURCES))
objects := $(addprefix $(OUT)/,$(notdir $(patsubst %.c,%.o,$(TESTS) $(tested))))
all_headers := $(wildcard *.h) $(addprefix $(KVM)/,$(HEADERS)) $(tested:.c=.h) $(KVM)/pure.h \
	../pure_user.h ../check.h

CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -I.. -I$(KVM) \
	  -I$(ROOT)/arch/x86/include/uapi -I$(ROOT)/include/uapi
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: check run mutants clean
.DELETE_ON_ERROR:

check: run mutants

run: $(OUT)/unit-gcc $(OUT)/unit-clang
	@for program in $^; do $$program || exit 1; done

# A source's mutant is linked with the other objects; a header's comes before all sources, and its
# guard keeps the real one out.
mutants: run $(objects)
	@for pair in $(MUTANTS); do \
		file=$(KVM)/$${pair%:*}; \
		case $$file in \
		*.h) others="$(TESTS) $(tested)" ;; \
		*)   others=$$(printf '%s\n' $(objects) | grep -v "/$$(basename $$file .c).o$$") ;; \
		esac; \
		CC="gcc $(CFLAGS) -DCOMPILER=\"gcc\" -I$$(dirname $$file)" \
			../check-mutants $$file "$$others" $(OUT) $${pair#*:} || bad=1; \
	done; exit $${bad:-0}

$(OUT)/unit-%: $(TESTS) $(tested) $(all_headers)
	@mkdir -p $(OUT)
	@$* $(CFLAGS) -DCOMPILER='"$*"' $(SANITIZE) $(TESTS) $(tested) -o $@

vpath %.c . $(sort $(dir $(tested)))
$(OUT)/%.o: %.c $(all_headers)
	@mkdir -p $(OUT)
	@gcc $(CFLAGS) -DCOMPILER='"gcc"' -c $< -o $@

clean:
	@rm -rf $(OUT)
