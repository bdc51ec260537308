/*
 * Leaky buckets: see rates.h. A bucket holds when it will be empty, which is all that
 * there is to know (the generic cell rate algorithm, ITU-T I.371). One mutex guards them;
 * it is held for a few comparisons.
 */
#include "base/rates.h"

#include <pthread.h>
#include <stdlib.h>

/* Buckets that may be a key's: two cache lines. */
#define WAYS 8

struct bucket {
	uint64_t key;
	int64_t empty_us; /* when it is; one that is belongs to nobody */
};

struct mr_rates {
	pthread_mutex_t lock;
	size_t n_sets; /* a power of two */
	struct bucket buckets[];
};

struct mr_rates *
mr_rates_new(size_t keys)
{
	struct mr_rates *rates;
	size_t n_sets = 1;

	while (n_sets * WAYS < keys)
		n_sets *= 2;
	rates = calloc(1, sizeof *rates + n_sets * WAYS * sizeof rates->buckets[0]);
	if (rates == NULL)
		return NULL;
	pthread_mutex_init(&rates->lock, NULL);
	rates->n_sets = n_sets;
	return rates;
}

void
mr_rates_free(struct mr_rates *rates)
{
	if (rates == NULL)
		return;
	pthread_mutex_destroy(&rates->lock);
	free(rates);
}

/* The key's bucket, or the one of its set that is empty first. Call it with the lock. */
static struct bucket *
find(struct mr_rates *rates, uint64_t key)
{
	struct bucket *set = &rates->buckets[(key & (rates->n_sets - 1)) * WAYS], *first = set;

	for (struct bucket *s = set; s < set + WAYS; s++) {
		if (s->key == key)
			return s;
		if (s->empty_us < first->empty_us)
			first = s;
	}
	return first;
}

/* How long until the level is low enough. */
static int64_t
wait_for(int64_t level, int64_t cost_us, int64_t burst_us)
{
	int64_t highest = cost_us < burst_us ? burst_us - cost_us : 0;

	return level > highest ? level - highest : 0;
}

static int64_t
look(struct mr_rates *rates, uint64_t key, int64_t cost_us, int64_t burst_us, int64_t now_us,
    int64_t charge_us)
{
	struct bucket *bucket;
	int64_t level, wait;

	pthread_mutex_lock(&rates->lock);
	bucket = find(rates, key);
	level = bucket->key == key && bucket->empty_us > now_us ? bucket->empty_us - now_us : 0;
	wait = wait_for(level, cost_us, burst_us);
	if (wait == 0 && charge_us > 0)
		*bucket = (struct bucket){ .key = key, .empty_us = now_us + level + charge_us };
	pthread_mutex_unlock(&rates->lock);
	return wait;
}

int64_t
mr_rates_take(struct mr_rates *rates, uint64_t key, int64_t cost_us, int64_t burst_us,
    int64_t now_us)
{
	return look(rates, key, cost_us, burst_us, now_us, cost_us);
}

int64_t
mr_rates_ask(struct mr_rates *rates, uint64_t key, int64_t cost_us, int64_t burst_us,
    int64_t now_us)
{
	return look(rates, key, cost_us, burst_us, now_us, 0);
}
