/* UUIDs: see uuid.h. */
#include "base/uuid.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

/* Ticks: 4,096 in a millisecond, as many as fit behind it. */
#define TICKS_PER_MS 4096

/* The ticks of the last one made. */
static _Atomic uint64_t last;

static uint64_t
next_tick(void)
{
	uint64_t us = (uint64_t)mr_clock_now_us();
	uint64_t now = us / 1000 * TICKS_PER_MS + us % 1000 * TICKS_PER_MS / 1000;
	uint64_t before = atomic_load(&last), tick;

	do
		tick = now > before ? now : before + 1;
	while (!atomic_compare_exchange_weak(&last, &before, tick));
	return tick;
}

static void
put_ms(uint8_t id[MR_UUID_BYTES], uint64_t ms)
{
	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
}

void
mr_uuid_make(uint8_t id[MR_UUID_BYTES])
{
	uint64_t tick = next_tick();

	/* 16 bytes never come short, nor are they interrupted. */
	while (getrandom(id, MR_UUID_BYTES, 0) != MR_UUID_BYTES)
		;
	put_ms(id, tick / TICKS_PER_MS);
	id[6] = (uint8_t)(0x70 | (tick % TICKS_PER_MS >> 8));
	id[7] = (uint8_t)tick;
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

#define NODE_BYTES 6
#define NODE_AT (MR_UUID_BYTES - NODE_BYTES)

static bool
is_nil(const uint8_t id[MR_UUID_BYTES])
{
	static const uint8_t nil[MR_UUID_BYTES];

	return memcmp(id, nil, MR_UUID_BYTES) == 0;
}

void
mr_uuid_mark(uint8_t id[MR_UUID_BYTES], const uint8_t instance[MR_UUID_BYTES])
{
	if (!is_nil(instance))
		memcpy(id + NODE_AT, instance, NODE_BYTES);
}

bool
mr_uuid_is_of(const uint8_t id[MR_UUID_BYTES], const uint8_t instance[MR_UUID_BYTES])
{
	return !is_nil(instance) && memcmp(id + NODE_AT, instance, NODE_BYTES) == 0;
}

int64_t
mr_uuid_time_us(const uint8_t id[MR_UUID_BYTES])
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id[i];
	return ms * 1000;
}

void
mr_uuid_least(uint8_t id[MR_UUID_BYTES], int64_t time_us)
{
	for (int i = 0; i < MR_UUID_BYTES; i++)
		id[i] = 0;
	put_ms(id, time_us > 0 ? (uint64_t)time_us / 1000 : 0);
	id[6] = 0x70;
	id[8] = 0x80;
}

void
mr_uuid_format(const uint8_t id[MR_UUID_BYTES], char text[MR_UUID_TEXT])
{
	char *to = text;

	for (int i = 0; i < MR_UUID_BYTES; i++)
		to += sprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
		    id[i]);
}
