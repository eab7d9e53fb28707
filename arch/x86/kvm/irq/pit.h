/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pit.h - the 8254 timer of a PC, and port 0x61 beside it; its time is a number.
 *
 * No timer runs here. Each call says what time it is, and the counters are computed for it:
 * the input clock's pulses are numbered from the zero of the caller's clock (pulse n is at
 * n / 1193182 seconds), and all that a channel remembers is counted in pulses, so nothing is
 * rounded twice and nothing drifts. The caller serialises all calls on one struct pit, and
 * arms its timer for pit_next_edge() after each write.
 *
 * Intel 8254 data sheet (231164).
 */
#ifndef ARCH_X86_KVM_IRQ_PIT_H
#define ARCH_X86_KVM_IRQ_PIT_H

#include "../pure.h"
#include <asm/kvm.h>

#define PIT_HZ		1193182		/* the input clock, 14.31818 MHz / 12 */

#define PIT_PORT	0x40		/* channels 0, 1, 2, then the control word */
#define PIT_CONTROL	0x43
#define PIT_SPEAKER	0x61

#define PIT_CHANNELS	3

/*
 * Which bytes of a count are transferred (RW of the control word), and which of them comes
 * next; the numbers are the ABI's read_state, write_state and count_latched.
 */
enum pit_bytes { PIT_NO_BYTE, PIT_LOW, PIT_HIGH, PIT_WORD, PIT_WORD_HIGH };

/**
 * struct pit_channel - one counter
 * @tick:	the pulse up to which the rest is computed
 * @elapsed:	pulses counted since the counting element was loaded
 * @count:	what it was loaded with, 1 to 65536; 0: not since the control word
 * @length:	the count last written, in the same way; 0: none since the control word
 * @unloaded:	@length is not in the counting element yet (NULL COUNT)
 * @load:	it will be with the next pulse
 * @low_half:	mode 3: the load was in the middle of a period, in the half of low output
 * @mode:	as written, 0 to 7
 * @programmed:	a control word has come since reset
 * @bcd:	the bytes are decimal
 * @gate:	the level of the GATE pin
 * @rw:		enum pit_bytes: PIT_LOW, PIT_HIGH or PIT_WORD
 * @next_read:	enum pit_bytes, the next byte
 * @next_write:	enum pit_bytes, the next byte
 * @written:	the first byte of a word, when @next_write is the second
 * @count_latched: enum pit_bytes, the next byte of @latched_count; PIT_NO_BYTE: not latched
 * @latched_count: as the bytes are read
 * @status_latched: the next read is @status
 * @status:	latched by a read-back command
 */
struct pit_channel {
	u64 tick;
	u64 elapsed;
	u32 count;
	u32 length;
	bool unloaded;
	bool load;
	bool low_half;
	u8 mode;
	bool programmed;
	bool bcd;
	bool gate;
	u8 rw;
	u8 next_read;
	u8 next_write;
	u8 written;
	u8 count_latched;
	u16 latched_count;
	bool status_latched;
	u8 status;
};

/**
 * struct pit - the timer
 * @channels:	0 drives IRQ 0, 1 refreshed memory once, 2 makes sound; only 2 has a GATE pin
 * @hpet_legacy: an HPET has taken IRQ 0: channel 0 counts, but its edges go nowhere
 * @speaker_data: bit 1 of port 0x61
 */
struct pit {
	struct pit_channel channels[PIT_CHANNELS];
	bool hpet_legacy;
	bool speaker_data;
};

/* Power-on: no channel is programmed, none counts, channel 2's gate is closed. */
void pit_reset(struct pit *pit);

/**
 * pit_write - the guest's OUT to one of the four ports
 * @pit: the timer
 * @port: PIT_PORT to PIT_CONTROL; only its two low bits are looked at
 * @value: the byte
 * @now: nanoseconds
 */
void pit_write(struct pit *pit, u16 port, u8 value, u64 now);

/**
 * pit_read - the guest's IN
 * @pit: the timer; a read takes the next byte, or what is latched
 * @port: PIT_PORT to PIT_CONTROL, which reads as all ones
 * @now: nanoseconds
 */
u8 pit_read(struct pit *pit, u16 port, u64 now);

/**
 * pit_speaker_write - the guest's OUT to port 0x61
 * @pit: the timer
 * @value: bit 0: channel 2's gate; bit 1: speaker data
 * @now: nanoseconds
 */
void pit_speaker_write(struct pit *pit, u8 value, u64 now);

/**
 * pit_speaker_read - the guest's IN from port 0x61
 * @pit: the timer
 * @now: nanoseconds
 *
 * Return: bits 0 and 1 as written, bit 4 changing with each refresh of memory (15 us), bit 5
 * channel 2's output.
 */
u8 pit_speaker_read(const struct pit *pit, u64 now);

/**
 * pit_next_edge - when does channel 0's output rise next?
 * @pit: the timer
 * @now: nanoseconds; the answer is later
 *
 * Return: nanoseconds of the same clock, rounded up to the first that is not before the edge;
 * U64_MAX if the output does not rise as things are programmed, or an HPET has IRQ 0.
 */
u64 pit_next_edge(const struct pit *pit, u64 now);

/**
 * pit_period - what is between two edges of channel 0, in modes 2 and 3
 * @pit: the timer
 *
 * Return: nanoseconds, of the count last written, rounded down (it is for pacing, not for adding
 * up; 1676 with the smallest count); 0 if there is no period, or an HPET has IRQ 0.
 */
u64 pit_period(const struct pit *pit);

/**
 * pit_get_state - the timer in the ABI's words (KVM_GET_PIT2)
 * @pit: the timer
 * @state: wholly written; the mode of a channel that was never programmed is 0xff
 */
void pit_get_state(const struct pit *pit, struct kvm_pit_state2 *state);

/**
 * pit_set_state - replace the timer's state (KVM_SET_PIT2)
 * @pit: the timer; unchanged if refused
 * @state: a private copy of userspace's struct
 * @now: nanoseconds; where no trigger is needed, counting starts anew, with the full count
 *
 * Not used: count_load_time, and the gates of channels 0 and 1, which are wired high. A count of
 * 0 is one of 65536, a byte state of 0 that of rw_mode, an rw_mode of 0 the word's.
 *
 * Return: 0, or -EINVAL for an unknown flag, a count above 65536, a mode above 7 that is not
 * 0xff, or an rw_mode or byte state that does not exist.
 */
int pit_set_state(struct pit *pit, const struct kvm_pit_state2 *state, u64 now);

#endif /* ARCH_X86_KVM_IRQ_PIT_H */
