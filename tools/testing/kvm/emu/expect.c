// SPDX-License-Identifier: GPL-2.0-only
/*
 * expect.c - the executor against tables: what native.c cannot have, because
 * userspace may not do it: 16 and 32-bit modes, segments and limits, page
 * faults, ports, devices and the order of their fragments, lost races.
 *
 * A row is a line of words.  "name=hex" sets a register, a field of a segment
 * (ds.limit) or bytes of memory (m8000=1122); behind the arrow the same words
 * say what has changed.  Everything not named has to be as it was, except RIP,
 * which has to be behind the instruction.  The rest of a row is the traffic on
 * devices and ports, in order, as it is to be.
 *
 * Guest-physical memory is linear memory: see kind_of().  Every row runs once
 * more for each fragment, at which the record of what is over is dropped, as a
 * migration between two KVM_RUNs would; the outcome must not differ.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../pure_user.h"
#include "../../../../arch/x86/kvm/emu/emu.h"

#define RAM_BYTES	0x10000
#define START		0x4000	/* RIP of every instruction */

struct row {
	int mode;
	const char *bytes, *before, *after, *traffic;
};

static const struct row rows[] = {
	/* devices: sizes, fragments, page borders */
	{ 64, "89 07", "rdi=8010 rax=aabbccdd", "", "W8010/4=aabbccdd" },
	{ 64, "48 89 07", "rdi=8010 rax=1122334455667788", "", "W8010/8=1122334455667788" },
	{ 64, "48 89 07", "rdi=87fc rax=1122334455667788", "", "W87fc/8=1122334455667788" },
	{ 64, "48 89 07", "rdi=8ffd rax=1122334455667788", "",
	  "W8ffd/3=667788 W9000/5=1122334455" },
	{ 64, "48 89 07", "rdi=7ffd rax=1122334455667788", "m7ffd=887766", "W8000/5=1122334455" },
	{ 64, "48 89 07", "rdi=9ffd rax=1122334455667788", "fault=e:3 cr2=a000", "" },
	{ 64, "8a 07", "rdi=8010 m8010=99", "rax=99", "R8010/1" },
	{ 64, "48 8b 07", "rdi=8ffc m8ffc=1122334455667788", "rax=8877665544332211",
	  "R8ffc/4 R9000/4" },
	{ 64, "48 8b 07", "rdi=7ffc m7ffc=1122334455667788", "rax=8877665544332211", "R8000/4" },
	{ 64, "0f 11 07", "rdi=8ffc xmm0=000102030405060708090a0b0c0d0e0f", "",
	  "W8ffc/4=3020100 W9000/8=b0a090807060504 W9008/4=f0e0d0c" },
	{ 64, "0f 11 07", "rdi=8010 xmm0=000102030405060708090a0b0c0d0e0f", "",
	  "W8010/8=706050403020100 W8018/8=f0e0d0c0b0a0908" },
	{ 64, "0f 10 07", "rdi=8ffc m8ffc=00112233445566778899aabbccddeeff",
	  "xmm0=00112233445566778899aabbccddeeff", "R8ffc/4 R9000/8 R9008/4" },
	{ 64, "c5 fe 7f 07", "rdi=8ffc", "",
	  "W8ffc/4=0 W9000/8=0 W9008/8=0 W9010/8=0 W9018/4=0" },
	{ 64, "c5 fe 6f 07", "rdi=8ffd m8ffd=00112233445566778899aabbccddeeff",
	  "xmm0=00112233445566778899aabbccddeeff",
	  "R8ffd/3 R9000/8 R9008/8 R9010/8 R9018/5" },
	{ 64, "89 07", "rdi=d010 rax=aabbccdd", "", "kWd010/4=aabbccdd" },
	{ 64, "8b 07", "rdi=d010 md010=11223344", "rax=44332211", "kRd010/4" },
	{ 64, "48 89 07", "rdi=9ffc rax=1122334455667788", "fault=e:3 cr2=a000", "" },
	{ 64, "48 89 07", "rdi=cffc rax=1122334455667788", "mcffc=88776655", "kWd000/4=11223344" },
	{ 64, "48 89 07", "rdi=dffc rax=1122334455667788", "",
	  "kWdffc/4=55667788 We000/4=11223344" },
	{ 64, "0f 11 07", "rdi=dffc xmm0=000102030405060708090a0b0c0d0e0f", "",
	  "kWdffc/4=3020100 We000/8=b0a090807060504 We008/4=f0e0d0c" },
	{ 64, "48 89 07", "rdi=effc rax=1122334455667788", "mf000=44332211",
	  "Weffc/4=55667788" },
	/* what is only read may be read-only */
	{ 64, "39 07", "rdi=a010", "flags=46", "" },
	{ 64, "0f 10 07", "rdi=a010 ma010=11", "xmm0=11", "" },
	{ 64, "0f 11 07", "rdi=a010", "fault=e:3 cr2=a010", "" },
	{ 64, "ff 37", "rdi=a010 rsp=3000 ma010=1122334455667788",
	  "rsp=2ff8 m2ff8=1122334455667788", "" },
	{ 64, "a5", "rsi=a010 rdi=1000 ma010=11223344", "rsi=a014 rdi=1004 m1000=11223344", "" },
	{ 64, "ae", "rdi=a010", "rdi=a011 flags=46", "" },
	{ 64, "d7", "rbx=a010 ma010=77", "rax=77", "" },
	{ 64, "0f c7 0f", "rdi=a010", "fault=e:3 cr2=a010", "" },
	/* devices: read, modify, write */
	{ 64, "01 07", "rdi=8010 rax=1 m8010=ff000000", "flags=16", "R8010/4 W8010/4=100" },
	{ 64, "f0 01 07", "rdi=8010 rax=1 m8010=ff000000", "flags=16", "R8010/4 W8010/4=100" },
	{ 64, "87 07", "rdi=8010 rax=5 m8010=11223344", "rax=44332211", "R8010/4 W8010/4=5" },
	{ 64, "48 87 07", "rdi=8ffc rax=5 m8ffc=1122334455667788 once=1", "rax=8877665544332211",
	  "R8ffc/4 R9000/4 W8ffc/4=5 W9000/4=0" },
	{ 64, "48 ff 07", "rdi=7ffc m7ffc=ffffffff00000000", "m7ffc=00000000 flags=16",
	  "R8000/4 W8000/4=1" },
	{ 64, "0f ba 2f 03", "rdi=8010", "", "R8010/4 W8010/4=8" },
	{ 64, "0f ab 07", "rdi=8010 rax=23", "", "R8014/4 W8014/4=8" },
	{ 64, "0f ab 07", "rdi=8010 rax=ffffffff", "", "R800c/4 W800c/4=80000000" },
	{ 64, "f0 0f b1 17", "rdi=8010 rax=7 rdx=9 m8010=07000000", "flags=46",
	  "R8010/4 W8010/4=9" },
	{ 64, "f0 0f b1 17", "rdi=8010 rax=6 rdx=9 m8010=07000000", "rax=7 flags=97",
	  "R8010/4 W8010/4=7" },
	{ 64, "f0 48 0f c7 0f", "rdi=8010 rax=1 rdx=2 rbx=3 rcx=4 m8010=0100000000000000"
	  " m8018=0200000000000000 once=1", "flags=42", "R8010/8 R8018/8 W8010/8=3 W8018/8=4" },
	{ 64, "f0 48 0f c7 0f", "rdi=8010 rax=1 rdx=9 m8010=0100000000000000 m8018=02",
	  "rdx=2", "R8010/8 R8018/8 W8010/8=1 W8018/8=2" },
	{ 64, "f0 48 0f c7 0f", "rdi=8018 rax=1", "fault=d:0", "" },
	{ 64, "f0 48 0f c7 0f", "rdi=1010 rax=1 rdx=2 rbx=3 rcx=4 m1010=0100000000000000"
	  " m1018=0200000000000000", "flags=42 m1010=0300000000000000 m1018=0400000000000000", "" },
	{ 64, "f7 37", "rdi=8010 rax=64 rdx=0 m8010=07000000", "rax=e rdx=2", "R8010/4" },
	{ 64, "f7 37", "rdi=8010 rax=64 rdx=0", "fault=0", "R8010/4" },
	{ 64, "f6 3f", "rdi=8010 rax=ff80 m8010=01", "rax=80", "R8010/1" },
	{ 64, "f6 3f", "rdi=8010 rax=80 m8010=01", "fault=0", "R8010/1" },
	{ 64, "f6 3f", "rdi=8010 rax=80 m8010=ff", "rax=80", "R8010/1" },
	{ 64, "f6 3f", "rdi=8010 rax=ff80 m8010=ff", "fault=0", "R8010/1" },
	{ 64, "39 07", "rdi=8010 rax=5 m8010=05000000", "flags=46", "R8010/4" },
	{ 64, "0f 44 07", "rdi=8010 m8010=05000000 rax=ffffffff00000001", "rax=1", "R8010/4" },
	{ 64, "0f 38 f1 07", "rdi=8010 rax=11223344", "", "W8010/4=44332211" },
	{ 64, "f0 01 07", "rdi=1ffe rax=1 m1ffe=ffff0000", "m1ffe=00000100 flags=16", "" },
	{ 64, "f0 01 07", "rdi=1010 rax=1 race=1", "retry", "" },
	{ 64, "f0 01 07", "rdi=1011 rax=1 race=1", "m1011=01000000", "" },
	{ 64, "f0 0f c7 0f", "rdi=1010 race=1", "retry", "" },
	{ 64, "0f c7 0f", "rdi=1010 rbx=5 race=1", "m1010=05 flags=42", "" },
	{ 64, "87 07", "rdi=1010 rax=1 race=1", "retry", "" },
	{ 64, "01 07", "rdi=1010 rax=1 race=1", "m1010=01000000", "" },
	{ 64, "0f ae 3f", "rdi=8010", "", "" },
	{ 64, "0f ae 3f", "rdi=b010", "fault=e:0 cr2=b010", "" },
	{ 64, "66 0f ae 37", "rdi=8010", "", "" },
	{ 64, "0f ae 37", "rdi=8010", "unsupported", "" },
	/* scans and counts; what an older processor takes them for */
	{ 64, "0f bc 07", "rdi=8010 m8010=00100000 rax=ffffffffffffffff", "rax=c", "R8010/4" },
	{ 64, "0f bc 07", "rdi=8010 rax=ffffffffffffffff", "flags=42", "R8010/4" },
	{ 64, "0f bd 07", "rdi=8010 m8010=00100000", "rax=c", "R8010/4" },
	{ 64, "48 0f bd 07", "rdi=8010 m8010=0000000000000080", "rax=3f", "R8010/8" },
	{ 64, "66 0f bd 07", "rdi=8010 rax=ffffffffffffffff", "flags=42", "R8010/2" },
	{ 64, "f3 0f bc 07", "rdi=8010 bmi=1", "rax=20 flags=3", "R8010/4" },
	{ 64, "f3 48 0f bc 07", "rdi=8010 bmi=1", "rax=40 flags=3", "R8010/8" },
	{ 64, "f3 0f bc 07", "rdi=8010 bmi=1 m8010=01", "flags=42", "R8010/4" },
	{ 64, "f3 0f bc 07", "rdi=8010 abm=1", "flags=42", "R8010/4" },
	{ 64, "f3 0f bd 07", "rdi=8010 abm=1 m8010=00100000", "rax=13", "R8010/4" },
	{ 64, "66 f3 0f bd 07", "rdi=8010 abm=1", "rax=10 flags=3", "R8010/2" },
	{ 64, "f3 0f bd 07", "rdi=8010 bmi=1 m8010=00100000", "rax=c", "R8010/4" },
	{ 64, "f3 0f b8 07", "rdi=8010 m8010=ff000180 flags=8d7", "rax=a flags=2", "R8010/4" },
	{ 64, "f3 0f b8 07", "rdi=8010 rax=7", "rax=0 flags=42", "R8010/4" },
	{ 64, "0f b8 07", "rdi=8010", "unsupported", "" },
	{ 64, "f0 0f bc 07", "rdi=8010", "fault=6", "" },
	{ 64, "f0 f3 0f b8 07", "rdi=8010", "fault=6", "" },
	{ 64, "f3 ab", "rdi=8010 rcx=1 rax=11223344", "rcx=0 rdi=8014", "W8010/4=11223344" },
	/* MOVDIRI, and its neighbours, which are not; prefetches touch nothing */
	{ 64, "0f 38 f9 07", "rdi=8010 rax=11223344", "", "W8010/4=11223344" },
	{ 64, "48 0f 38 f9 07", "rdi=8010 rax=1122334455667788", "", "W8010/8=1122334455667788" },
	{ 64, "66 0f 38 f9 07", "rdi=8010", "unsupported", "" },
	{ 64, "f3 0f 38 f9 07", "rdi=8010", "unsupported", "" },
	{ 64, "66 0f 38 f8 07", "rdi=8010", "unsupported", "" },
	{ 64, "0f 38 f9 c0", "", "unsupported", "" },
	{ 64, "f0 0f 38 f9 07", "rdi=8010", "fault=6", "" },
	{ 64, "0f 18 07", "rdi=b010", "", "" },
	{ 64, "0f 0d 0f", "rdi=8010", "", "" },
	{ 64, "f0 0f 18 07", "rdi=8010", "fault=6", "" },
	{ 64, "0f 18 c0", "", "unsupported", "" },
	/* vectors that may not be used; what is no vector, whatever it moves */
	{ 64, "0f 10 07", "rdi=8010 nosse=1", "fault=6", "" },
	{ 64, "0f 10 07", "rdi=8010 nosse=1 ts=1", "fault=6", "" },
	{ 64, "0f 11 07", "rdi=8010 ts=1", "fault=7", "" },
	{ 64, "c5 fa 6f 07", "rdi=8010 m8010=11 nosse=1", "xmm0=11", "R8010/8 R8018/8" },
	{ 64, "c5 fa 6f 07", "rdi=8010 noavx=1", "fault=6", "" },
	{ 64, "c5 fa 6f 07", "rdi=8010 ts=1", "fault=7", "" },
	{ 64, "0f 10 07", "rdi=8010 m8010=11 noavx=1", "xmm0=11", "R8010/8 R8018/8" },
	{ 64, "66 0f 6f 07", "rdi=8018 nosse=1", "fault=6", "" },
	{ 64, "0f c3 07", "rdi=8010 rax=5 nosse=1 ts=1", "", "W8010/4=5" },
	{ 64, "f0 0f 10 07", "rdi=8010 ts=1", "fault=6", "" },
	{ 64, "66 0f 6f 07", "rdi=8018", "fault=d:0", "" },
	{ 64, "0f 29 07", "rdi=8011", "fault=d:0", "" },
	{ 64, "c5 fd 6f 07", "rdi=8010", "fault=d:0", "" },
	{ 64, "c5 f9 6f 07", "rdi=8010 m8010=11", "xmm0=11", "R8010/8 R8018/8" },
	/* two memory operands: everything is checked before anything is touched */
	{ 64, "ff 37", "rdi=8010 rsp=b008", "fault=e:2 cr2=b000", "" },
	{ 64, "ff 37", "rdi=8010 rsp=3000 m8010=1122334455667788",
	  "rsp=2ff8 m2ff8=1122334455667788", "R8010/8" },
	{ 64, "ff 34 24", "rsp=3000 m3000=1122334455667788", "rsp=2ff8 m2ff8=1122334455667788",
	  "" },
	{ 64, "8f 04 24", "rsp=3000 m3000=1122334455667788", "rsp=3008 m3008=1122334455667788",
	  "" },
	{ 64, "8f 07", "rdi=a010 rsp=8010", "fault=e:3 cr2=a010", "" },
	{ 64, "8f 07", "rdi=9010 rsp=8010 m8010=1122334455667788", "rsp=8018",
	  "R8010/8 W9010/8=8877665544332211" },
	{ 64, "ff 17", "rdi=8010 rsp=3000 m8010=0020000000000000",
	  "rsp=2ff8 rip=2000 m2ff8=0240000000000000", "R8010/8" },
	{ 64, "ff 17", "rdi=8010 rsp=a008", "fault=e:3 cr2=a000", "" },
	{ 64, "ff 27", "rdi=8010 m8010=0000000000008000", "fault=d:0", "R8010/8" },
	{ 64, "ff 27", "rdi=8010 m8010=0000000000008001 bits=57", "fault=d:0", "R8010/8" },
	{ 64, "ff 27", "rdi=8010 m8010=00000000008000ff bits=57", "rip=ff00800000000000",
	  "R8010/8" },
	{ 64, "c3", "rsp=8010 m8010=0020000000000000", "rip=2000 rsp=8018", "R8010/8" },
	{ 64, "a5", "rsi=8010 rdi=a010", "fault=e:3 cr2=a010", "" },
	{ 64, "a7", "rsi=8010 rdi=b010", "fault=e:0 cr2=b010", "" },
	{ 64, "58", "rsp=a010 ma010=1122334455667788", "rsp=a018 rax=8877665544332211", "" },
	{ 32, "50", "rsp=0 rax=aabbccdd", "rsp=fffffffc mfffc=ddccbbaa", "" },
	{ 64, "ff d0", "rax=2000 rsp=3000", "rip=2000 rsp=2ff8 m2ff8=0240000000000000", "" },
	{ 64, "ff e0", "rax=2000", "rip=2000", "" },
	{ 64, "ff f0", "rax=2000 rsp=3000", "rsp=2ff8 m2ff8=0020", "" },
	/* strings */
	{ 64, "a5", "rsi=8010 rdi=1000 m8010=11223344", "rsi=8014 rdi=1004 m1000=11223344",
	  "R8010/4" },
	{ 64, "a4", "rsi=8010 rdi=9010 m8010=11 flags=402", "rsi=800f rdi=900f",
	  "R8010/1 W9010/1=11" },
	{ 64, "f3 a5", "rsi=8010 rdi=1000 rcx=2 m8010=1122334455667788",
	  "rsi=8018 rdi=1008 rcx=0 m1000=1122334455667788", "R8010/4 R8014/4" },
	{ 64, "f3 a5", "rsi=1000 rdi=8010 rcx=3 m1000=01000000 m1004=02000000 m1008=03000000",
	  "rsi=100c rdi=801c rcx=0", "W8010/4=1 W8014/4=2 W8018/4=3" },
	{ 64, "f3 a5", "rcx=0 rsi=b000 rdi=b000", "", "" },
	{ 64, "f3 48 ab", "rdi=8ff8 rax=5 rcx=2", "rdi=9008 rcx=0", "W8ff8/8=5 W9000/8=5" },
	{ 64, "f3 aa", "rdi=9fff rax=5 rcx=2", "rdi=a000 rcx=1 rip=4000 fault=e:3 cr2=a000",
	  "W9fff/1=5" },
	{ 64, "67 f3 ab", "rdi=ffffffff00008010 rax=5 rcx=ff00000001", "rdi=8014 rcx=0",
	  "W8010/4=5" },
	{ 64, "f3 ac", "rsi=8010 rcx=2 m8010=1122", "rsi=8012 rcx=0 rax=22", "R8010/1 R8011/1" },
	{ 64, "f3 a6", "rsi=8010 rdi=9010 rcx=5 m8010=aabb11 m9010=aabb12",
	  "rsi=8013 rdi=9013 rcx=2 flags=97",
	  "R8010/1 R9010/1 R8011/1 R9011/1 R8012/1 R9012/1" },
	{ 64, "f2 ae", "rdi=8010 rcx=5 rax=22 m8010=1122", "rdi=8012 rcx=3 flags=46",
	  "R8010/1 R8011/1" },
	{ 64, "f3 ae", "rdi=8010 rcx=2 rax=11 m8010=1111", "rdi=8012 rcx=0 flags=46",
	  "R8010/1 R8011/1" },
	{ 16, "f3 a4", "rsi=ffff rdi=8010 rcx=2 mffff=aa m0=bb", "rsi=1 rdi=8012 rcx=0",
	  "W8010/1=aa W8011/1=bb" },
	{ 16, "a5", "rsi=1234ffff rdi=8010", "fault=d:0", "" },
	/* ports */
	{ 64, "e4 70", "in=5a rax=1234567811223344", "rax=123456781122335a", "I70/1*1" },
	{ 64, "66 e5 70", "in=5a5b rax=1122334455667788", "rax=1122334455665b5a", "I70/2*1" },
	{ 64, "ed", "rdx=ffff1234 in=5a5b5c5d rax=1122334455667788", "rax=5d5c5b5a", "I1234/4*1" },
	{ 64, "48 ed", "rdx=1234 in=5a5b5c5d rax=1122334455667788", "rax=5d5c5b5a", "I1234/4*1" },
	{ 64, "e6 80", "rax=1122", "", "O80/1*1=22" },
	{ 64, "ef", "rdx=cf8 rax=80001122", "", "Ocf8/4*1=22110080" },
	{ 16, "ef", "rdx=cf8 rax=80001122", "", "Ocf8/2*1=2211" },
	{ 64, "ee", "rdx=9000 rax=7", "", "kO9000/1*1=07" },
	{ 64, "ec", "rdx=9000 in=33", "rax=33", "kI9000/1*1" },
	{ 64, "6e", "rdx=3f8 rsi=1000 m1000=41", "rsi=1001", "O3f8/1*1=41" },
	{ 64, "f3 6e", "rdx=3f8 rsi=1000 rcx=4 m1000=41424344", "rsi=1004 rcx=0",
	  "O3f8/1*4=41424344" },
	{ 64, "f3 6f", "rdx=3f8 rsi=1ffc rcx=3 m1ffc=414243445152535461626364", "rsi=2008 rcx=0",
	  "O3f8/4*1=41424344 O3f8/4*2=5152535461626364" },
	{ 64, "f3 6f", "rdx=3f8 rsi=1ffe rcx=2 m1ffe=4142434451525354", "rsi=2006 rcx=0",
	  "O3f8/4*1=41424344 O3f8/4*1=51525354" },
	{ 64, "f3 6e", "rdx=3f8 rsi=1001 rcx=2 m1000=4142 flags=402", "rsi=fff rcx=0",
	  "O3f8/1*1=42 O3f8/1*1=41" },
	{ 64, "f3 6e", "rdx=3f8 rsi=8010 rcx=2 m8010=4142", "rsi=8012 rcx=0",
	  "R8010/1 O3f8/1*1=41 R8011/1 O3f8/1*1=42" },
	{ 64, "f3 6e", "rdx=3f8 rsi=afff rcx=2 mafff=41",
	  "rsi=b000 rcx=1 rip=4000 fault=e:0 cr2=b000",
	  "O3f8/1*1=41" },
	{ 64, "f3 6e", "rcx=0 rsi=b000", "", "" },
	{ 64, "6e", "rdx=3f8 rsi=1000 rcx=5 m1000=41", "rsi=1001", "O3f8/1*1=41" },
	{ 64, "6c", "rdx=3f8 rdi=1000 in=41", "rdi=1001 m1000=41", "I3f8/1*1" },
	{ 64, "f3 6d", "rdx=1f0 rdi=1ff8 rcx=3 in=4142434451525354", "rdi=2004 rcx=0"
	  " m1ff8=4142434451525354 m2000=41424344", "I1f0/4*2 I1f0/4*1" },
	{ 64, "f3 6c", "rdx=1f0 rdi=a000 rcx=3", "fault=e:3 cr2=a000", "" },
	{ 64, "f3 6c", "rdx=1f0 rdi=8010 rcx=2 in=55", "rdi=8012 rcx=0",
	  "I1f0/1*1 W8010/1=55 I1f0/1*1 W8011/1=55" },
	{ 64, "6d", "rdx=1f0 rdi=8ffe in=41424344", "rdi=9002",
	  "I1f0/4*1 W8ffe/2=4241 W9000/2=4443" },
	{ 64, "6d", "rdx=9000 rdi=8ffe in=41424344", "rdi=9002",
	  "kI9000/4*1 W8ffe/2=4241 W9000/2=4443" },
	{ 64, "f3 6c", "rdx=9000 rdi=1000 rcx=2 in=4142", "rdi=1002 rcx=0 m1000=4142",
	  "kI9000/1*2" },
	{ 16, "f3 6c", "rdx=1f0 rdi=fffe rcx=3 in=4142 cs.base=0", "rdi=1 rcx=0 mfffe=4142 m0=41",
	  "I1f0/1*2 I1f0/1*1" },
	{ 16, "f3 6c", "rdx=1f0 rdi=fffe rcx=3 in=4142 es.base=ffff0010 es.limit=ffffffff",
	  "rdi=1 rcx=0 me=4142 m10=41", "I1f0/1*2 I1f0/1*1" },
	{ 32, "f3 6e", "rdx=3f8 rsi=1000 rcx=4 ds.limit=1001 m1000=41424344",
	  "rsi=1002 rcx=2 rip=4000 fault=d:0", "O3f8/1*1=41 O3f8/1*1=42" },
	{ 32, "26 6e", "rdx=3f8 rsi=10 es.base=1000 m1010=41", "rsi=11", "O3f8/1*1=41" },
	{ 32, "26 6c", "rdx=3f8 rdi=10 es.base=1000 in=41", "rdi=11 m1010=41", "I3f8/1*1" },
	/* 16 and 32-bit operands and addresses */
	{ 16, "89 07", "rbx=8010 rax=aabbccdd", "", "W8010/2=ccdd" },
	{ 16, "66 89 07", "rbx=8010 rax=aabbccdd", "", "W8010/4=aabbccdd" },
	{ 16, "67 88 07", "rdi=8010 rax=dd", "", "W8010/1=dd" },
	{ 16, "88 00", "rbx=ffff8000 rsi=ff0010 rax=1", "", "W8010/1=1" },
	{ 16, "88 01", "rbx=fff0 rdi=8020 rax=1", "", "W8010/1=1" },
	{ 16, "88 02", "rbp=8000 rsi=10 rax=1", "", "W8010/1=1" },
	{ 16, "88 43 01", "rbp=8000 rdi=10 rax=1", "", "W8011/1=1" },
	{ 16, "88 44 ff", "rsi=8011 rax=1", "", "W8010/1=1" },
	{ 16, "88 85 34 12", "rdi=8000 rax=1", "", "W9234/1=1" },
	{ 16, "88 46 00", "rbp=8010 rax=1", "", "W8010/1=1" },
	{ 16, "88 06 10 80", "rax=1", "", "W8010/1=1" },
	{ 16, "88 46 00", "rbp=10 ss.base=8000 rax=1", "", "W8010/1=1" },
	{ 16, "3e 88 46 00", "rbp=10 ss.base=8000 ds.base=9000 rax=1", "", "W9010/1=1" },
	{ 16, "a2 10 80", "rax=1", "", "W8010/1=1" },
	{ 16, "26 a0 10 00", "es.base=8000 m8010=77", "rax=77", "R8010/1" },
	{ 32, "88 45 00", "rbp=10 ss.base=8000 rax=1", "", "W8010/1=1" },
	{ 32, "88 04 24", "rsp=10 ss.base=8000 rax=1", "", "W8010/1=1" },
	{ 32, "88 04 2e", "rsi=10 rbp=0 ds.base=8000 ss.base=9000 rax=1", "", "W8010/1=1" },
	{ 32, "88 04 35 10 00 00 00", "rsi=0 ds.base=8000 rax=1", "", "W8010/1=1" },
	{ 32, "88 05 10 80 00 00", "rax=1", "", "W8010/1=1" },
	{ 64, "65 88 05 00 00 00 00", "gs.base=3fff rax=1 fs.base=0", "", "W8006/1=1" },
	{ 64, "64 88 07", "fs.base=8000 rdi=10 rax=1", "", "W8010/1=1" },
	{ 64, "3e 88 07", "ds.base=5000 rdi=8010 rax=1", "", "W8010/1=1" },
	{ 64, "67 88 07", "rdi=ffffffff00008010 rax=1", "", "W8010/1=1" },
	{ 32, "88 27", "rdi=8010 rax=1122", "", "W8010/1=11" },
	{ 64, "40 88 27", "rdi=8010 rsp=5566", "", "W8010/1=66" },
	{ 32, "aa", "rdi=10 es.base=8000 rax=1", "rdi=11", "W8010/1=1" },
	{ 32, "26 aa", "rdi=10 ds.base=8000 es.base=9000 rax=1", "rdi=11", "W9010/1=1" },
	{ 32, "8c 2f", "rdi=8010 gs.selector=33", "", "W8010/2=33" },
	{ 64, "44 8c 17", "rdi=8010 ss.selector=10", "", "W8010/2=10" },
	{ 32, "8c 17", "rdi=8010 ss.selector=10", "", "W8010/2=10" },
	{ 32, "d7", "rbx=8000 rax=1110 m8010=77", "rax=1177", "R8010/1" },
	{ 32, "8b 07", "rdi=12008010 ds.base=ee000000 m8010=01", "rax=1", "R8010/4" },
	/* the stack of 16 and 32 bits */
	{ 16, "50", "rsp=12340000 rax=aabb", "rsp=1234fffe mfffe=bbaa", "" },
	{ 16, "66 50", "rsp=2000 rax=aabbccdd", "rsp=1ffc m1ffc=ddccbbaa", "" },
	{ 16, "58", "rsp=1234fffe mfffe=bbaa rax=ffffffff", "rsp=12340000 rax=ffffaabb", "" },
	{ 32, "68 44 33 22 11", "rsp=2000", "rsp=1ffc m1ffc=44332211", "" },
	{ 32, "6a ff", "rsp=2000", "rsp=1ffc m1ffc=ffffffff", "" },
	{ 32, "50", "rsp=2000 ss.db=0 rax=aabbccdd", "rsp=1ffc m1ffc=ddccbbaa", "" },
	{ 32, "50", "rsp=30002000 ss.db=0 rax=aabbccdd", "rsp=30001ffc m1ffc=ddccbbaa", "" },
	{ 16, "e8 00 10", "rsp=2000", "rsp=1ffe rip=5003 m1ffe=0340", "" },
	{ 16, "e8 00 b0", "rsp=2000", "rsp=1ffe rip=f003 m1ffe=0340", "" },
	{ 16, "e8 00 f0", "rsp=2000", "rsp=1ffe rip=3003 m1ffe=0340", "" },
	{ 32, "e8 00 10 00 00", "rsp=2000 cs.limit=5000", "fault=d:0", "" },
	{ 16, "c2 04 00", "rsp=1ffe m1ffe=0050", "rsp=2004 rip=5000", "" },
	{ 16, "c9", "rbp=1ffe rsp=1234 m1ffe=0050", "rsp=2000 rbp=5000", "" },
	{ 32, "9c", "rsp=2000 flags=30046", "rsp=1ffc m1ffc=46000000 flags=20046", "" },
	{ 32, "ff 37", "rdi=8010 rsp=2000 m8010=11223344", "rsp=1ffc m1ffc=11223344", "R8010/4" },
	{ 32, "50", "rsp=2", "fault=c:0", "" },
	/* segments and limits */
	{ 32, "88 07", "rdi=8010 ds.limit=8010 rax=1", "", "W8010/1=1" },
	{ 32, "88 07", "rdi=8010 ds.limit=800f", "fault=d:0", "" },
	{ 32, "89 07", "rdi=8010 ds.limit=8013", "", "W8010/4=0" },
	{ 32, "89 07", "rdi=8010 ds.limit=8012", "fault=d:0", "" },
	{ 32, "88 45 00", "rbp=8010 ss.limit=8000", "fault=c:0", "" },
	{ 32, "36 88 07", "rdi=8010 ss.limit=8000", "fault=c:0", "" },
	{ 32, "88 07", "rdi=8010 ds.type=7 ds.limit=800f", "", "W8010/1=0" },
	{ 32, "88 07", "rdi=8010 ds.type=7 ds.limit=8010", "fault=d:0", "" },
	{ 32, "89 07", "rdi=fffd ds.type=7 ds.limit=0 ds.db=0", "fault=d:0", "" },
	{ 32, "89 07", "rdi=fffc ds.type=7 ds.limit=0 ds.db=0", "mfffc=00000000", "" },
	{ 32, "89 07", "rdi=fffffffd ds.type=7 ds.limit=0", "fault=d:0", "" },
	{ 32, "88 07", "rdi=8010 ds.type=1", "fault=d:0", "" },
	{ 32, "8a 07", "rdi=8010 ds.type=1", "", "R8010/1" },
	{ 32, "2e 88 07", "rdi=8010", "fault=d:0", "" },
	{ 32, "2e 8a 07", "rdi=8010", "", "R8010/1" },
	{ 32, "2e 8a 07", "rdi=8010 cs.type=9", "fault=d:0", "" },
	{ 32, "88 07", "rdi=8010 ds.present=0", "fault=d:0", "" },
	{ 32, "50", "rsp=2000 ss.present=0", "fault=c:0", "" },
	{ 16, "2e 88 07", "rbx=8010 protected=0", "", "W8010/1=0" },
	{ 16, "88 07", "rbx=8010 ds.present=0 ds.type=1 protected=0", "", "W8010/1=0" },
	{ 16, "89 07", "rbx=ffff protected=0", "fault=d:0", "" },
	{ 16, "67 88 07", "rdi=18010 protected=0", "fault=d:0", "" },
	{ 16, "67 88 07", "rdi=8010 ds.limit=ffffffff protected=0", "", "W8010/1=0" },
	{ 64, "88 07", "rdi=8010 ds.limit=0 ds.present=0 ds.type=1", "", "W8010/1=0" },
	{ 64, "88 07", "rdi=800000000000", "fault=d:0", "" },
	{ 64, "88 07", "rdi=400000000000", "fault=e:2 cr2=400000000000", "" },
	{ 64, "88 07", "rdi=ffff800000000000", "fault=e:2 cr2=ffff800000000000", "" },
	{ 64, "89 07", "rdi=7ffffffffffc", "fault=e:2 cr2=7ffffffffffc", "" },
	{ 64, "89 07", "rdi=7ffffffffffd", "fault=d:0", "" },
	{ 32, "89 07", "rdi=ffe ds.base=fffff000 rax=11223344", "mfffe=4433 m0=2211", "" },
	{ 64, "88 07", "rdi=800000000000 bits=57", "fault=e:2 cr2=800000000000", "" },
	{ 64, "88 45 00", "rbp=800000000000", "fault=c:0", "" },
	{ 64, "36 88 07", "rdi=800000000000", "fault=d:0", "" },
	{ 64, "89 07", "rdi=7ffffffffffe", "fault=d:0", "" },
	{ 64, "50", "rsp=800000000008", "fault=c:0", "" },
	/* alignment of vectors */
	{ 64, "0f 29 07", "rdi=8018", "fault=d:0", "" },
	{ 64, "c5 fc 29 07", "rdi=8010", "fault=d:0", "" },
	{ 64, "c5 f8 29 07", "rdi=8010", "", "W8010/8=0 W8018/8=0" },
	/* RIP is as wide as the mode */
	{ 32, "88 07", "rdi=8010 rip=fffffffe", "rip=0", "W8010/1=0" },
	{ 64, "88 07", "rdi=8010 rip=fffffffe", "rip=100000000", "W8010/1=0" },
	/* RF ends with the instruction, not with an iteration */
	{ 64, "88 07", "rdi=8010 flags=10002", "flags=2", "W8010/1=0" },
	{ 64, "f3 aa", "rdi=9fff rcx=2 flags=10002", "rdi=a000 rcx=1 rip=4000 fault=e:3 cr2=a000",
	  "W9fff/1=0" },
	/* no such thing */
	{ 64, "f0 88 07", "rdi=8010", "fault=6", "" },
	{ 64, "f0 01 c0", "", "fault=6", "" },
	{ 64, "8c 37", "rdi=8010", "fault=6", "" },
	{ 64, "f0 03 07", "rdi=8010", "fault=6", "" },
	{ 64, "f0 39 07", "rdi=8010", "fault=6", "" },
	{ 64, "f0 50", "rsp=3000", "fault=6", "" },
	{ 64, "f0 0f 11 07", "rdi=8010", "fault=6", "" },
	{ 64, "f0 0f c7 c8", "", "fault=6", "" },
	{ 64, "f2 0f 38 f0 07", "rdi=8010", "unsupported", "" },
	{ 64, "0f c3 c0", "", "unsupported", "" },
	{ 64, "63 07", "rdi=8010 m8010=ffffffff", "rax=ffffffff", "R8010/4" },
	{ 32, "63 07", "rdi=8010", "unsupported", "" },
	/* VEX outside 64-bit mode: no B, no W, no fourth bit of vvvv */
	{ 64, "c4 c1 78 11 00", "r8=8010 rax=a010 xmm0=11", "", "W8010/8=11 W8018/8=0" },
	{ 32, "c4 c1 78 11 00", "r8=a010 rax=8010 xmm0=11", "", "W8010/8=11 W8018/8=0" },
	{ 32, "c4 e1 38 16 07",
	  "rdi=8010 m8010=1122334455667788 xmm0=000102030405060708090a0b0c0d0e0f",
	  "xmm0=00010203040506071122334455667788", "R8010/8" },
	{ 64, "c4 e1 f9 7e 07", "rdi=8010 xmm0=1122334455667788", "", "W8010/8=8877665544332211" },
	{ 32, "c4 e1 f9 7e 07", "rdi=8010 xmm0=1122334455667788", "", "W8010/4=44332211" },
	{ 64, "0f a2", "", "unsupported", "" },
	{ 64, "0f 6f 07", "rdi=8010", "unsupported", "" },
	{ 64, "0f 10 c1", "", "unsupported", "" },
	{ 64, "f3 0f 12 07", "rdi=8010", "unsupported", "" },
	{ 64, "62 f1 7c 48 11 07", "rdi=8010", "unsupported", "" },
	{ 64, "c7 47 10 78 56 34 12", "rdi=8000", "", "W8010/4=12345678" },
	{ 64, "8f c0", "rsp=3000 m3000=1122334455667788", "rax=8877665544332211 rsp=3008", "" },
	{ 64, "c6 08 00", "rax=8010", "unsupported", "" },
	{ 64, "0f ba 07 01", "rdi=8010", "unsupported", "" },
	{ 64, "0f c7 07", "rdi=8010", "unsupported", "" },
	{ 64, "ff 1f", "rdi=8010", "unsupported", "" },
};

/* ---- the world ---- */

enum kind { RAM, DEVICE, KERNEL_DEVICE, READ_ONLY, ABSENT };

static enum kind kind_of(u64 gpa)
{
	static const enum kind pages[16] = {
		[8] = DEVICE, [9] = DEVICE, [0xa] = READ_ONLY, [0xb] = ABSENT,
		[0xd] = KERNEL_DEVICE, [0xe] = DEVICE,
	};

	return gpa < RAM_BYTES ? pages[gpa / 4096] : ABSENT;
}

struct world {
	struct emu_ctx ctx;
	u8 vec[16][32];
	u8 memory[RAM_BYTES];	/* of devices too: what a read would give */
	u8 pio[EMU_PIO_BYTES];
	u8 in[64];		/* what ports give, again and again */
	bool race;		/* another CPU is always faster */
	bool once;		/* reads what it has half written, if its record is dropped */
	char traffic[512];
};

static struct world *world;

static void note(const char *format, u64 a, u64 b, u64 c)
{
	size_t at = strlen(world->traffic);

	if (at && at < sizeof(world->traffic) - 1)
		world->traffic[at++] = ' ';
	snprintf(world->traffic + at, sizeof(world->traffic) - at, format, a, b, c);
}

static u64 word(const void *data, unsigned int bytes)
{
	u64 value = 0;

	memcpy(&value, data, bytes);
	return value;
}

static void device_traffic(const char *read, const char *write, u64 gpa, void *data,
			   unsigned int len, bool is_write)
{
	if (is_write) {
		note(write, gpa, len, word(data, len));
		memcpy(world->memory + gpa, data, len);
	} else {
		note(read, gpa, len, 0);
		memcpy(data, world->memory + gpa, len);
	}
}

static void port_traffic(const char *in, const char *out, u16 port, u8 *data, unsigned int size,
			 unsigned int count, bool write)
{
	unsigned int i;

	note(write ? out : in, port, size, count);
	for (i = 0; i < size * count; i++) {
		char *end = world->traffic + strlen(world->traffic);

		if (write)
			sprintf(end, "%s%02x", i ? "" : "=", data[i]);
		else
			data[i] = world->in[i % sizeof(world->in)];
	}
}

static enum emu_mem translate(struct emu_ctx *ctx, u64 linear, unsigned int len, bool write,
			      u64 *gpa)
{
	enum kind kind;

	(void)len;
	if (linear >> 16 == 0xffff)	/* the last 64 KiB of 4 GiB are the first once more */
		linear &= 0xffff;
	kind = kind_of(linear);
	*gpa = linear;
	if (kind == ABSENT || (kind == READ_ONLY && write)) {
		ctx->fault = (struct emu_fault) {
			.vector = 14, .has_error = true, .address = linear,
			.error = (kind == READ_ONLY ? 1 : 0) | (write ? 2 : 0),
		};
		return EMU_MEM_FAULT;
	}
	return kind == DEVICE || kind == KERNEL_DEVICE ? EMU_MEM_DEVICE : EMU_MEM_OK;
}

static enum emu_mem read_ram(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len)
{
	(void)ctx;
	if (gpa + len > RAM_BYTES || gpa / 4096 != (gpa + len - 1) / 4096)
		return EMU_MEM_FAILED;
	memcpy(buf, world->memory + gpa, len);
	return EMU_MEM_OK;
}

static enum emu_mem write_ram(struct emu_ctx *ctx, u64 gpa, const void *buf, unsigned int len)
{
	(void)ctx;
	if (gpa + len > RAM_BYTES || gpa / 4096 != (gpa + len - 1) / 4096)
		return EMU_MEM_FAILED;
	memcpy(world->memory + gpa, buf, len);
	return EMU_MEM_OK;
}

static enum emu_mem cmpxchg_ram(struct emu_ctx *ctx, u64 gpa, const void *old, const void *new,
				unsigned int len)
{
	if (world->race || memcmp(world->memory + gpa, old, len))
		return EMU_MEM_RACED;
	return write_ram(ctx, gpa, new, len);
}

static enum emu_mem device(struct emu_ctx *ctx, u64 gpa, void *buf, unsigned int len, bool write)
{
	(void)ctx;
	if (kind_of(gpa) != KERNEL_DEVICE)
		return EMU_MEM_DEVICE;
	device_traffic("kR%llx/%llx", "kW%llx/%llx=%llx", gpa, buf, len, write);
	return EMU_MEM_OK;
}

static enum emu_mem port(struct emu_ctx *ctx, u16 port, void *buf, unsigned int size,
			 unsigned int count, bool write)
{
	(void)ctx;
	if (port < 0x8000)
		return EMU_MEM_DEVICE;
	port_traffic("kI%llx/%llx*%llx", "kO%llx/%llx*%llx", port, buf, size, count, write);
	return EMU_MEM_OK;
}

static enum emu_mem read_vec(struct emu_ctx *ctx, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctx;
	memcpy(buf, world->vec[reg], len);
	return EMU_MEM_OK;
}

static enum emu_mem write_vec(struct emu_ctx *ctx, unsigned int reg, const void *buf,
			      unsigned int len)
{
	(void)ctx;
	memcpy(world->vec[reg], buf, len);
	return EMU_MEM_OK;
}

static const struct emu_ops ops = {
	.translate = translate, .read = read_ram, .write = write_ram, .cmpxchg = cmpxchg_ram,
	.device = device, .port = port, .read_vec = read_vec, .write_vec = write_vec,
};

static void serve(struct emu_io *io)
{
	u8 data[8];

	switch (io->kind) {
	case EMU_MMIO_READ:
	case EMU_MMIO_WRITE:
		memcpy(data, io->data, sizeof(data));
		device_traffic("R%llx/%llx", "W%llx/%llx=%llx", io->addr, data, io->size,
			       io->kind == EMU_MMIO_WRITE);
		emu_io_answer(io, data);
		break;
	default:
		port_traffic("I%llx/%llx*%llx", "O%llx/%llx*%llx", io->addr, world->pio, io->size,
			     io->count, io->kind == EMU_PIO_OUT);
		emu_io_answer(io, world->pio);
	}
	if (io->kind != EMU_IO_NONE)
		note("question is still open", 0, 0, 0);
}

/* ---- the words of a row ---- */

static const char *const gprs[] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static unsigned int hex_bytes(const char *text, u8 *out)
{
	unsigned int n;
	char *end;

	for (n = 0; ; n++, text = end) {
		unsigned long byte = strtoul(text, &end, 16);

		if (end == text)
			return n;
		out[n] = byte;
	}
}

static void run_of_bytes(const char *text, u8 *out)
{
	unsigned int byte;

	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		*out++ = byte;
}

static bool set_segment(const char *name, u64 value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		struct emu_seg *seg = &world->ctx.seg[i];

		if (strncmp(name, segments[i], 2) || name[2] != '.')
			continue;
		if (!strcmp(name + 3, "base"))
			seg->base = value;
		else if (!strcmp(name + 3, "limit"))
			seg->limit = value;
		else if (!strcmp(name + 3, "type"))
			seg->type = value;
		else if (!strcmp(name + 3, "db"))
			seg->db = value;
		else if (!strcmp(name + 3, "present"))
			seg->present = value;
		else if (!strcmp(name + 3, "selector"))
			seg->selector = value;
		else
			return false;
		return true;
	}
	return false;
}

static bool set_register(const char *name, u64 value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gprs); i++)
		if (!strcmp(name, gprs[i])) {
			world->ctx.regs.gpr[i] = value;
			return true;
		}
	if (!strcmp(name, "rip"))
		world->ctx.regs.rip = value;
	else if (!strcmp(name, "flags"))
		world->ctx.regs.rflags = value;
	else if (!strcmp(name, "protected"))
		world->ctx.protected = value;
	else if (!strcmp(name, "bits"))
		world->ctx.linear_bits = value == 0x57 ? 57 : 48;
	else if (!strcmp(name, "nosse"))
		world->ctx.no_sse = value;
	else if (!strcmp(name, "noavx"))
		world->ctx.no_avx = value;
	else if (!strcmp(name, "ts"))
		world->ctx.task_switched = value;
	else if (!strcmp(name, "bmi"))
		world->ctx.has_tzcnt = value;
	else if (!strcmp(name, "abm"))
		world->ctx.has_lzcnt = value;
	else if (!strcmp(name, "race"))
		world->race = value;
	else if (!strcmp(name, "once"))
		world->once = value;
	else
		return false;
	return true;
}

/* What becomes of the instruction, as the words "fault=", "retry", "unsupported" say it */
struct outcome {
	enum emu_result result;
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;
};

static void set_fault(struct outcome *outcome, const char *text)
{
	char *end;

	outcome->result = EMU_FAULT;
	outcome->vector = strtoul(text, &end, 16);
	outcome->has_error = *end == ':';
	outcome->error = *end == ':' ? strtoul(end + 1, NULL, 16) : 0;
}

static void set_number(const char *name, u64 value)
{
	if (set_segment(name, value) || set_register(name, value))
		return;
	printf("Bail out! no such word: %s\n", name);
	exit(1);
}

static void set_word(const char *word, struct outcome *outcome)
{
	char name[32] = { 0 };
	const char *value = strchr(word, '=');
	unsigned int reg;

	if (!value) {
		outcome->result = !strcmp(word, "retry") ? EMU_RETRY : EMU_UNSUPPORTED;
		return;
	}
	memcpy(name, word, value++ - word);
	if (!strcmp(name, "fault"))
		set_fault(outcome, value);
	else if (!strcmp(name, "cr2"))
		outcome->address = strtoull(value, NULL, 16);
	else if (!strcmp(name, "in"))
		run_of_bytes(value, world->in);
	else if (sscanf(name, "xmm%u", &reg) == 1)
		run_of_bytes(value, world->vec[reg]);
	else if (name[0] == 'm')
		run_of_bytes(value, world->memory + strtoul(name + 1, NULL, 16));
	else
		set_number(name, strtoull(value, NULL, 16));
}

static void set_words(const char *words, struct outcome *outcome)
{
	char copy[512], *word, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word)
			set_word(word, outcome);
}

static void reset_world(struct world *w, enum emu_mode mode)
{
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->ctx.ops = &ops;
	w->ctx.pio_data = w->pio;
	w->ctx.protected = true;
	w->ctx.linear_bits = 48;
	w->ctx.regs.rip = START;
	w->ctx.regs.rflags = 2;
	for (i = 0; i < 6; i++)
		w->ctx.seg[i] = (struct emu_seg) {
			.limit = mode == EMU_16 ? 0xffff : 0xffffffff,
			.type = i == EMU_CS ? 11 : 3, .present = true, .db = mode == EMU_32,
		};
}

/* ---- running a row ---- */

/*
 * Drops the record at the @forget'th question, 0 for never.  Return: how many
 * questions there were.
 */
static unsigned int run(struct outcome *outcome, const struct emu_insn *insn, unsigned int forget,
			bool *early)
{
	struct emu_ctx *ctx = &world->ctx;
	unsigned int questions = 0, steps;

	for (steps = 0; steps < 100; steps++) {
		struct emu_regs before = ctx->regs;

		outcome->result = emu_execute(ctx, insn);
		if (outcome->result != EMU_IO && outcome->result != EMU_DONE)
			break;
		if (outcome->result == EMU_IO) {
			bool committed = ctx->io.committed;

			if (!committed && memcmp(&before, &ctx->regs, sizeof(before)))
				*early = true;
			serve(&ctx->io);
			if (++questions == forget)
				emu_io_forget(&ctx->io);
			if (!committed)
				continue;
		}
		if (outcome->result == EMU_DONE && ctx->io.committed)
			*early = true;
		if (ctx->retired) {
			outcome->result = EMU_DONE;
			break;
		}
	}
	/* nothing is left for the next instruction, which may be the same one again */
	if (ctx->io.kind != EMU_IO_NONE || ctx->io.reads || ctx->io.writes ||
	    (outcome->result != EMU_DONE && ctx->io.committed))
		*early = true;
	if (outcome->result == EMU_FAULT) {
		outcome->vector = ctx->fault.vector;
		outcome->has_error = ctx->fault.has_error;
		outcome->error = ctx->fault.error;
		outcome->address = ctx->fault.address;
	}
	return questions;
}

static const char *compare(const struct world *is, const struct world *should,
			   const struct outcome *outcome, const struct outcome *wanted)
{
	unsigned int i;

	if (outcome->result != wanted->result)
		return "result";
	if (outcome->vector != wanted->vector || outcome->error != wanted->error ||
	    outcome->has_error != wanted->has_error || outcome->address != wanted->address)
		return "fault";
	for (i = 0; i < 16; i++)
		if (is->ctx.regs.gpr[i] != should->ctx.regs.gpr[i])
			return gprs[i];
	if (is->ctx.regs.rip != should->ctx.regs.rip)
		return "RIP";
	if (is->ctx.regs.rflags != should->ctx.regs.rflags)
		return "flags";
	for (i = 0; i < RAM_BYTES; i++)
		if (is->memory[i] != should->memory[i] && kind_of(i) != DEVICE &&
		    kind_of(i) != KERNEL_DEVICE)
			return "memory";
	return memcmp(is->vec, should->vec, sizeof(is->vec)) ? "vector" : NULL;
}

static bool complain(const struct row *row, const char *what, unsigned int forget)
{
	printf("# %d-bit %s, %s: wrong %s (forgotten at %u)\n", row->mode, row->bytes, row->before,
	       what, forget);
	printf("#   traffic: %s\n#   RIP %llx flags %llx\n", world->traffic,
	       (unsigned long long)world->ctx.regs.rip, (unsigned long long)world->ctx.regs.rflags);
	return false;
}

static enum emu_mode mode_of(int bits)
{
	return bits == 16 ? EMU_16 : bits == 32 ? EMU_32 : EMU_64;
}

static bool check_row(const struct row *row)
{
	static struct world is, should;
	enum emu_mode mode = mode_of(row->mode);
	unsigned int questions = 0, forget = 0;
	struct emu_insn insn;
	u8 bytes[16];
	unsigned int len = hex_bytes(row->bytes, bytes);

	if (emu_decode(&insn, bytes, len, mode) || insn.len != len) {
		printf("# %s: does not decode to its length\n", row->bytes);
		return false;
	}
	do {
		struct outcome outcome = { 0 }, wanted = { .result = EMU_DONE };
		const char *wrong;
		bool early = false;

		world = &should;
		reset_world(&should, mode);
		set_words(row->before, &wanted);
		set_words(row->after, &wanted);
		if (wanted.result == EMU_DONE && should.ctx.regs.rip == START &&
		    !strstr(row->after, "rip="))
			should.ctx.regs.rip += len;
		world = &is;
		reset_world(&is, mode);
		set_words(row->before, &outcome);

		questions = run(&outcome, &insn, forget, &early);
		wrong = early ? "commit or record" : compare(&is, &should, &outcome, &wanted);
		if (!wrong && !forget && strcmp(is.traffic, row->traffic))
			wrong = "traffic";
		if (wrong)
			return complain(row, wrong, forget);
	} while (!is.once && forget++ < questions);
	return true;
}

/* ---- the decoder: what the disassembler cannot tell ---- */

struct decode_row {
	int mode;
	const char *bytes;
	int error;
	u16 opcode;
	u8 prefixes, opsize, addrsize, segment, reg, rm;
	u64 imm;
};

static const struct decode_row decode_rows[] = {
	{ 64, "0f a2", 0, 0x0fa2, 0, 4, 8, EMU_DS, 0, 0, 0 },
	{ 16, "0f 32", 0, 0x0f32, 0, 2, 2, EMU_DS, 0, 0, 0 },
	{ 64, "f4", 0, 0xf4, 0, 4, 8, EMU_DS, 0, 0, 0 },
	{ 64, "f3 90", 0, 0x90, EMU_REP, 4, 8, EMU_DS, 0, 0, 0 },
	{ 64, "0f 01 d9", 0, 0x0f01, 0, 4, 8, EMU_DS, 3, 1, 0 },
	{ 64, "44 0f 20 c0", 0, 0x0f20, 0, 8, 8, EMU_DS, 8, 0, 0 },
	{ 64, "0f 22 1b", 0, 0x0f22, 0, 8, 8, EMU_DS, 3, 3, 0 },
	{ 32, "66 0f 22 5b", 0, 0x0f22, EMU_OPSIZE, 4, 4, EMU_DS, 3, 3, 0 },
	{ 64, "41 0f 23 ff", 0, 0x0f23, 0, 8, 8, EMU_DS, 7, 15, 0 },
	{ 64, "cd 80", 0, 0xcd, 0, 4, 8, EMU_DS, 0, 0, 0x80 },
	{ 64, "e6 80", 0, 0xe6, 0, 1, 8, EMU_DS, 0, 0, 0x80 },
	{ 64, "eb fe", 0, 0xeb, 0, 8, 8, EMU_DS, 0, 0, -2ULL },
	{ 64, "f3 f2 6e", 0, 0x6e, EMU_REPNE, 1, 8, EMU_DS, 0, 0, 0 },
	{ 64, "f2 f3 6e", 0, 0x6e, EMU_REP, 1, 8, EMU_DS, 0, 0, 0 },
	{ 32, "2e f0 67 66 6f", 0, 0x6f, EMU_LOCK | EMU_ADDRSIZE | EMU_OPSIZE, 2, 2, EMU_CS, 0, 0,
	  0 },
	{ 64, "64 2e 6f", 0, 0x6f, 0, 4, 8, EMU_FS, 0, 0, 0 },
	{ 16, "26 6e", 0, 0x6e, 0, 1, 2, EMU_ES, 0, 0, 0 },
	{ 16, "3e 65 36 6e", 0, 0x6e, 0, 1, 2, EMU_SS, 0, 0, 0 },
	{ 64, "48 66 ed", 0, 0xed, EMU_OPSIZE, 2, 8, EMU_DS, 0, 0, 0 },
	{ 64, "66 48 ed", 0, 0xed, EMU_OPSIZE, 8, 8, EMU_DS, 0, 0, 0 },
	{ 64, "48 b8 01 02 03 04 05 06 07 08", 0, 0xb8, 0, 8, 8, EMU_DS, 0, 0, 0x0807060504030201 },
	{ 64, "67 a1 01 02 03 04", 0, 0xa1, EMU_ADDRSIZE, 4, 4, EMU_DS, 0, 0, 0x04030201 },
	{ 64, "6a 80", 0, 0x6a, 0, 8, 8, EMU_DS, 0, 0, -0x80ULL },
	{ 64, "66 6a 80", 0, 0x6a, EMU_OPSIZE, 2, 8, EMU_DS, 0, 0, -0x80ULL },
	{ 32, "6a 80", 0, 0x6a, 0, 4, 4, EMU_DS, 0, 0, -0x80ULL },
	{ 64, "c5 fa 10 07", 0, 0x0f10, EMU_REP, 4, 8, EMU_DS, 0, 7, 0 },
	{ 64, "c4 c1 f9 6e 07", 0, 0x0f6e, EMU_OPSIZE, 8, 8, EMU_DS, 0, 15, 0 },
	{ 32, "c5 f8 77", 0, 0x0f77, 0, 4, 4, EMU_DS, 0, 0, 0 },
	{ 32, "c5 38", 0, 0xc5, 0, 4, 4, EMU_DS, 7, 0, 0 },
	/* not instructions, and how long one may be */
	{ 64, "06", -EINVAL, 0 }, { 64, "27", -EINVAL, 0 }, { 64, "60", -EINVAL, 0 },
	{ 64, "82 c0 01", -EINVAL, 0 }, { 64, "9a 00 00 00 00 00 00", -EINVAL, 0 },
	{ 64, "ce", -EINVAL, 0 }, { 64, "d4 0a", -EINVAL, 0 }, { 64, "ea 00 00 00 00 00 00",
	  -EINVAL, 0 },
	{ 64, "0f 04", -EINVAL, 0 }, { 64, "0f 0a", -EINVAL, 0 }, { 64, "0f 24 c0", -EINVAL, 0 },
	{ 64, "0f 3f", -EINVAL, 0 }, { 64, "0f ff c0", -EINVAL, 0 }, { 64, "ff ff", -EINVAL, 0 },
	{ 64, "0f a6 c0", -EINVAL, 0 }, { 64, "d6", -EINVAL, 0 },
	{ 64, "66 c5 f8 10 07", -EINVAL, 0 }, { 64, "48 c5 f8 10 07", -EINVAL, 0 },
	{ 64, "f0 c5 f8 10 07", -EINVAL, 0 }, { 64, "c4 e0 78 10 07", -EINVAL, 0 },
	{ 64, "c4 e4 78 10 07", -EINVAL, 0 }, { 64, "8f eb 78 10 07", -EINVAL, 0 },
	{ 64, "", -EAGAIN, 0 }, { 64, "0f", -EAGAIN, 0 }, { 64, "0f 38", -EAGAIN, 0 },
	{ 64, "66 66 66 66", -EAGAIN, 0 }, { 64, "c5", -EAGAIN, 0 }, { 64, "c4 e1", -EAGAIN, 0 },
	{ 64, "62 f1 7c", -EAGAIN, 0 }, { 64, "8f", -EAGAIN, 0 }, { 64, "8f e8", -EAGAIN, 0 },
	{ 64, "48", -EAGAIN, 0 }, { 64, "81 04 25 00 00 00 00 01 02 03", -EAGAIN, 0 },
	{ 64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", -E2BIG, 0 },
	{ 64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", -E2BIG, 0 },
	{ 64, "66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", 0, 0x0fa2, EMU_OPSIZE, 2, 8, EMU_DS,
	  0, 0, 0 },
	{ 64, "66 66 66 66 66 66 66 66 66 81 04 25 00 00 00 00", -E2BIG, 0 },
};

static bool as_expected(const struct decode_row *row, const struct emu_insn *i, unsigned int len)
{
	return i->len == len && i->opcode == row->opcode && i->prefixes == row->prefixes &&
	       i->opsize == row->opsize && i->addrsize == row->addrsize &&
	       i->segment == row->segment && i->reg == row->reg && i->rm == row->rm &&
	       i->imm == row->imm;
}

static bool check_decode(const struct decode_row *row)
{
	struct emu_insn i;
	u8 bytes[20];
	unsigned int len = hex_bytes(row->bytes, bytes);
	int err = emu_decode(&i, bytes, len, mode_of(row->mode));

	if (err == row->error && (err || as_expected(row, &i, len)))
		return true;
	printf("# decode %d-bit %s: %d len %u opcode %x prefixes %x sizes %u %u", row->mode,
	       row->bytes, err, i.len, i.opcode, i.prefixes, i.opsize, i.addrsize);
	printf(" segment %u reg %u rm %u imm %llx\n", i.segment, i.reg, i.rm,
	       (unsigned long long)i.imm);
	return false;
}

/* The shortcut for short instructions needs four bytes; with fewer it must be the long way */
static bool check_ways(const struct decode_row *row)
{
	struct emu_insn longer, exact;
	u8 bytes[20] = { 0 };
	unsigned int len = hex_bytes(row->bytes, bytes);

	if (row->error)
		return true;
	return !emu_decode(&exact, bytes, len, mode_of(row->mode)) &&
	       !emu_decode(&longer, bytes, EMU_MAX_INSN, mode_of(row->mode)) &&
	       !memcmp(&exact, &longer, sizeof(exact));
}

/* ---- what a row cannot say ---- */

/* An answer to another question is not used: the guest was changed between two attempts */
static bool check_stale_answer(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\x8b\x07", 2, EMU_64);	/* mov (%rdi), %eax */
	w.memory[0x8010] = 1;
	w.memory[0x8020] = 2;
	w.ctx.regs.gpr[EMU_RDI] = 0x8010;
	good = emu_execute(&w.ctx, &insn) == EMU_IO;
	serve(&w.ctx.io);
	w.ctx.regs.gpr[EMU_RDI] = 0x8020;
	good = good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.addr == 0x8020;
	serve(&w.ctx.io);
	return good && emu_execute(&w.ctx, &insn) == EMU_DONE && w.ctx.regs.gpr[EMU_RAX] == 2;
}

/* The write half of another instruction is not skipped: RIP has been moved between two attempts */
static bool check_moved_rip(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\x0f\x11\x07", 3, EMU_64);	/* movups %xmm0, (%rdi) */
	w.ctx.regs.gpr[EMU_RDI] = 0x8010;
	good = emu_execute(&w.ctx, &insn) == EMU_IO && !w.ctx.io.committed;
	serve(&w.ctx.io);
	w.ctx.regs.rip = 0x5000;
	return good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.addr == 0x8010;
}

/* A question that nobody has answered is asked again */
static bool check_unanswered(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\x8b\x07", 2, EMU_64);
	w.ctx.regs.gpr[EMU_RDI] = 0x8010;
	good = emu_execute(&w.ctx, &insn) == EMU_IO;
	return good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.kind == EMU_MMIO_READ;
}

/* An answer to INS outlives the exit for the device write that follows, whatever is in pio_data */
static bool check_ins_answer(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\x6d", 1, EMU_64);
	w.ctx.regs.gpr[EMU_RDI] = 0x8ffe;
	memcpy(w.in, "\x41\x42\x43\x44", 4);
	good = emu_execute(&w.ctx, &insn) == EMU_IO;
	serve(&w.ctx.io);
	memset(w.pio, 0xff, sizeof(w.pio));
	good = good && emu_execute(&w.ctx, &insn) == EMU_IO && !w.ctx.io.committed;
	serve(&w.ctx.io);
	memset(w.pio, 0xff, sizeof(w.pio));
	good = good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.committed;
	return good && word(w.ctx.io.data, 2) == 0x4443;
}

/* A batch ends with the page: 4096 bytes at most fit pio_data, and come out of it */
static bool check_full_page(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\xf3\x6d", 2, EMU_64);
	w.ctx.regs.gpr[EMU_RDI] = 0x2000;
	w.ctx.regs.gpr[EMU_RCX] = 5000;
	good = emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.count == 1024 && w.ctx.io.size == 4;
	memset(w.pio, 0x5a, sizeof(w.pio));
	emu_io_answer(&w.ctx.io, w.pio);
	good = good && emu_execute(&w.ctx, &insn) == EMU_DONE && !w.ctx.retired;
	return good && w.memory[0x1fff] == 0 && w.memory[0x2000] == 0x5a &&
	       w.memory[0x2fff] == 0x5a && w.memory[0x3000] == 0 &&
	       w.ctx.regs.gpr[EMU_RCX] == 5000 - 1024 &&
	       w.ctx.regs.gpr[EMU_RDI] == 0x3000;
}

/* Fragments already written do not count once a read has had another answer */
static bool check_changed_read(void)
{
	static struct world w;
	struct emu_insn insn;
	bool good;

	world = &w;
	reset_world(&w, EMU_64);
	emu_decode(&insn, (const u8 *)"\x48\x87\x07", 3, EMU_64);	/* xchg %rax, (%rdi) */
	w.ctx.regs.gpr[EMU_RDI] = 0x8ffc;
	do {
		good = emu_execute(&w.ctx, &insn) == EMU_IO;
		serve(&w.ctx.io);
	} while (good && !w.ctx.io.writes);
	w.ctx.regs.gpr[EMU_RDI] = 0x8ffa;
	w.traffic[0] = 0;
	while (emu_execute(&w.ctx, &insn) == EMU_IO && !w.ctx.io.committed)
		serve(&w.ctx.io);
	serve(&w.ctx.io);
	return good && !strcmp(w.traffic, "R8ffa/6 R9000/2 W8ffa/6=0 W9000/2=0");
}

/* Without devices and ports in the kernel every question is userspace's */
static bool check_no_kernel_devices(void)
{
	static struct emu_ops poor;
	static struct world w;
	struct emu_insn insn;
	bool good;

	poor = ops;
	poor.device = NULL;
	poor.port = NULL;
	world = &w;
	reset_world(&w, EMU_64);
	w.ctx.ops = &poor;
	w.ctx.regs.gpr[EMU_RDI] = 0xd010;
	w.ctx.regs.gpr[EMU_RDX] = 0x9000;
	emu_decode(&insn, (const u8 *)"\x8b\x07", 2, EMU_64);
	good = emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.kind == EMU_MMIO_READ;
	emu_io_forget(&w.ctx.io);
	emu_decode(&insn, (const u8 *)"\x89\x07", 2, EMU_64);
	good = good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.kind == EMU_MMIO_WRITE;
	emu_decode(&insn, (const u8 *)"\xec", 1, EMU_64);
	good = good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.kind == EMU_PIO_IN;
	emu_decode(&insn, (const u8 *)"\xee", 1, EMU_64);
	return good && emu_execute(&w.ctx, &insn) == EMU_IO && w.ctx.io.kind == EMU_PIO_OUT;
}

static bool (*const others[])(void) = {
	check_stale_answer, check_moved_rip, check_unanswered, check_ins_answer, check_full_page,
	check_changed_read, check_no_kernel_devices,
};

int main(void)
{
	unsigned int i, passed = 0, failed = 0;

	setlinebuf(stdout);
	for (i = 0; i < ARRAY_SIZE(decode_rows); i++)
		if (check_decode(&decode_rows[i]) && check_ways(&decode_rows[i]))
			passed++;
		else
			failed++;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		*(check_row(&rows[i]) ? &passed : &failed) += 1;
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		bool good = others[i]();

		if (!good)
			printf("# case %u of what a row cannot say\n", i);
		*(good ? &passed : &failed) += 1;
	}
	printf("%s executor and decoder against tables (" COMPILER "): %u passed, %u failed\n",
	       failed ? "not ok" : "ok", passed, failed);
	return failed != 0;
}
