// SPDX-License-Identifier: GPL-2.0-only
/*
 * naive.c - two 8259As, slowly.
 */
#include "naive.h"

static void set_order(struct naive_chip *chip, int first)
{
	int i;

	for (i = 0; i < 8; i++)
		chip->order[i] = (first + i) % 8;
}

void naive_init(struct naive *n)
{
	memset(n, 0, sizeof(*n));
	set_order(&n->chip[0], 0);
	set_order(&n->chip[1], 0);
	n->chip[0].is_master = true;
}

static int winner(const struct naive *n, const struct naive_chip *chip);

static bool requests(const struct naive *n, const struct naive_chip *chip, int i)
{
	const struct naive_input *in = &chip->in[i];

	if (chip->is_master && i == 2)
		return winner(n, &n->chip[1]) >= 0;
	return in->level ? in->high : in->edge_seen;
}

/* Walk down the list: the first request wins, the first service that holds back ends the walk. */
static int winner(const struct naive *n, const struct naive_chip *chip)
{
	int place, i;

	for (place = 0; place < 8; place++) {
		const struct naive_input *in = &chip->in[i = chip->order[place]];
		bool holds = in->serving && !(chip->special_mask && in->masked);
		bool asks = requests(n, chip, i) && !in->masked;

		if (asks && !holds)
			return i;
		if (asks && chip->is_master && chip->special_nested && i == 2)
			return i;
		if (holds)
			return -1;
	}
	return -1;
}

bool naive_output(const struct naive *n)
{
	return winner(n, &n->chip[0]) >= 0;
}

bool naive_line(struct naive *n, int line, bool high)
{
	struct naive_chip *chip = &n->chip[line / 8];
	struct naive_input *in = &chip->in[line % 8];
	bool asked = requests(n, chip, line % 8), rise = high && !in->high;

	if (line == 2)
		return !high;
	in->high = high;
	if (rise && !in->level)
		in->edge_seen = true;
	if (!high)
		return true;
	return !asked && requests(n, chip, line % 8) && !in->masked;
}

static void end(struct naive *n, struct naive_chip *chip, int i)
{
	int line = i + (chip->is_master ? 0 : 8);

	if (chip->in[i].serving && line != 2)
		n->ended[line] = true;
	chip->in[i].serving = false;
}

static int serve(struct naive *n, struct naive_chip *chip)
{
	int i = winner(n, chip);

	if (i < 0)
		return -1;
	chip->in[i].edge_seen = false;
	chip->in[i].serving = true;
	if (chip->automatic) {
		end(n, chip, i);
		if (chip->turning)
			set_order(chip, i + 1);
	}
	return i;
}

int naive_acknowledge(struct naive *n)
{
	int i = serve(n, &n->chip[0]);

	if (i == 2) {
		i = serve(n, &n->chip[1]);
		return (n->chip[1].base + (i < 0 ? 7 : i)) % 256;
	}
	return (n->chip[0].base + (i < 0 ? 7 : i)) % 256;
}

static void first_word(struct naive *n, struct naive_chip *chip, u8 value)
{
	int i;

	for (i = 0; i < 8; i++) {
		end(n, chip, i);
		chip->in[i].masked = false;
		chip->in[i].edge_seen = false;
	}
	set_order(chip, 0);
	chip->words = 2;
	chip->skip3 = value & 2;
	chip->last = value & 1 ? 4 : 3;
	chip->show_service = chip->polling = chip->special_mask = false;
	chip->special_nested = chip->automatic = chip->turning = false;
}

static void next_word(struct naive_chip *chip, u8 value)
{
	if (chip->words == 2)
		chip->base = value / 8 * 8;
	if (chip->words == 4) {
		chip->special_nested = value & 0x10;
		chip->automatic = value & 2;
	}
	chip->words++;
	if (chip->words == 3 && chip->skip3)
		chip->words++;
	if (chip->words > chip->last)
		chip->words = 0;
}

static void command2(struct naive *n, struct naive_chip *chip, u8 value)
{
	bool turn = value & 0x80, specific = value & 0x40, eoi = value & 0x20;
	int place, i = specific ? value & 7 : -1;

	if (!eoi) {
		if (!specific)
			chip->turning = turn;
		else if (turn)
			set_order(chip, i + 1);
		return;
	}
	for (place = 0; place < 8 && i < 0; place++) {
		const struct naive_input *in = &chip->in[chip->order[place]];

		if (in->serving && !(chip->special_mask && in->masked))
			i = chip->order[place];
	}
	if (i < 0)
		return;
	end(n, chip, i);
	if (turn)
		set_order(chip, i + 1);
}

static void command3(struct naive_chip *chip, u8 value)
{
	if ((value & 0x60) == 0x60)
		chip->special_mask = true;
	if ((value & 0x60) == 0x40)
		chip->special_mask = false;
	if ((value & 3) == 3)
		chip->show_service = true;
	if ((value & 3) == 2)
		chip->show_service = false;
	chip->polling = value & 4;
}

static void write_mask(struct naive_chip *chip, u8 value)
{
	int i;

	for (i = 0; i < 8; i++)
		chip->in[i].masked = value >> i & 1;
}

/* A line that becomes level-triggered is no edge any more; one that was, is none when it ends. */
static void write_levels(struct naive_chip *chip, u8 value)
{
	int i;

	for (i = 0; i < 8; i++) {
		bool fixed = chip->is_master ? i < 3 : i == 0 || i == 5;
		bool level = value >> i & 1 && !fixed;
		struct naive_input *in = &chip->in[i];

		if (in->level && !level)
			in->edge_seen = in->high;
		if (level)
			in->edge_seen = false;
		in->level = level;
	}
}

void naive_write(struct naive *n, int port, u8 value)
{
	bool slave = port == 0xa0 || port == 0xa1 || port == 0x4d1;
	struct naive_chip *chip = &n->chip[slave];

	if (port >= 0x4d0)
		write_levels(chip, value);
	else if (port & 1 && chip->words)
		next_word(chip, value);
	else if (port & 1)
		write_mask(chip, value);
	else if (value & 0x10)
		first_word(n, chip, value);
	else if (value & 8)
		command3(chip, value);
	else
		command2(n, chip, value);
}

u8 naive_read(struct naive *n, int port)
{
	bool slave = port == 0xa0 || port == 0xa1 || port == 0x4d1;
	struct naive_chip *chip = &n->chip[slave];
	int i, found = 0;

	if (port < 0x4d0 && chip->polling) {
		chip->polling = false;
		i = serve(n, chip);
		return i < 0 ? 0 : 0x80 + i;
	}
	for (i = 0; i < 8; i++) {
		const struct naive_input *in = &chip->in[i];
		bool bit = port >= 0x4d0 ? in->level : port & 1 ? in->masked :
			   chip->show_service ? in->serving : requests(n, chip, i);

		found |= bit << i;
	}
	return found;
}
