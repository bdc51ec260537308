/*
 * How much each of many keys has used of late: a leaky bucket for each, in a table of fixed
 * size that allocates nothing after it was made. A bucket that has run empty takes no room.
 * When more keys than fit are at it, the one that would be empty first is forgotten. Safe
 * from any thread.
 *
 * Everything is told in microseconds: a bucket loses one for each that passes. At r requests
 * a second a request costs 1,000,000 / r of them, and a burst of b seconds holds b * 1,000,000.
 */
#ifndef MR_BASE_RATES_H
#define MR_BASE_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct mr_rates;

/* For about so many keys at a time, 16 bytes each. NULL: no memory. */
struct mr_rates *mr_rates_new(size_t keys);

/* NULL is allowed. */
void mr_rates_free(struct mr_rates *rates);

/*
 * Adds the cost to the key's bucket and returns 0; or, when that held more than `burst_us`
 * then, adds nothing and returns how long it takes until it would fit. What costs more than a
 * burst fits into an empty bucket. The key is a hash that strangers cannot foretell. now_us is
 * of the clock that never goes back.
 */
int64_t mr_rates_take(struct mr_rates *rates, uint64_t key, int64_t cost_us, int64_t burst_us,
    int64_t now_us);

/* What mr_rates_take() would return, without taking. */
int64_t mr_rates_ask(struct mr_rates *rates, uint64_t key, int64_t cost_us, int64_t burst_us,
    int64_t now_us);

/* Whole seconds, as Retry-After has them, after which such a time is over. */
static inline int64_t
mr_rates_seconds(int64_t wait_us)
{
	return (wait_us + MR_US_PER_S - 1) / MR_US_PER_S;
}

#endif
