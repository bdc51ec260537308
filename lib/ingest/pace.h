/*
 * How much one commit may hold so that it takes some 50 ms: others wait for it.
 *
 * What rows and bytes cost is first what was measured on a small machine, and then
 * what recent groups took. A round trip to a database far away is no reason for
 * small groups, so that it is told apart. Pure; belongs to whoever guards it.
 */
#ifndef MR_INGEST_PACE_H
#define MR_INGEST_PACE_H

#include <stddef.h>
#include <stdint.h>

/* Costs are microseconds of a database as fast as the one that was measured. */
struct mr_pace {
	int64_t fixed_us; /* what a group takes whatever it holds */
	int64_t permille;  /* what the rest takes here, of its cost */
};

void mr_pace_init(struct mr_pace *pace);

int64_t mr_pace_cost_us(size_t rows, size_t bytes);

/* The cost that a group should stay below. */
int64_t mr_pace_room_us(const struct mr_pace *pace);

/* A group of this cost was stored in so much time. */
void mr_pace_learn(struct mr_pace *pace, int64_t cost_us, int64_t took_us);

#endif
