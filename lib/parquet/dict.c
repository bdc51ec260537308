/* The dictionary of a Parquet column: see parquet_dict.h. */
#include "parquet/dict.h"

#include <stdlib.h>

#include "parquet/meta.h"

/* At most half full. */
#define SLOTS ((size_t)2 * MR_PARQUET_DICT_MAX)
#define MAX_PROBES 256
/* The part of a slot that is not taken from the hash. */
#define NUMBER_MASK UINT32_C(0xffff)

struct mr_parquet_dict *
mr_parquet_dict_new(void)
{
	struct mr_parquet_dict *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	mr_buf_init(&d->entries, MR_PARQUET_DICT_MAX_BYTES);
	d->offsets = calloc(MR_PARQUET_DICT_MAX, sizeof *d->offsets);
	d->slots = calloc(SLOTS, sizeof *d->slots);
	if (d->offsets != NULL && d->slots != NULL)
		return d;
	mr_parquet_dict_free(d);
	return NULL;
}

void
mr_parquet_dict_free(struct mr_parquet_dict *d)
{
	if (d == NULL)
		return;
	mr_buf_free(&d->entries);
	free(d->offsets);
	free(d->slots);
	free(d);
}

void
mr_parquet_dict_reset(struct mr_parquet_dict *d)
{
	mr_buf_reset(&d->entries, MR_PARQUET_DICT_MAX_BYTES);
	d->n = d->last = 0;
	memset(d->slots, 0, SLOTS * sizeof *d->slots);
}

/* Eight bytes a step; the odd constant spreads what was taken in to the higher bits. */
static uint32_t
hash_of(struct mr_str s)
{
	uint64_t h = s.n, eight;
	size_t i;

	for (i = 0; i + sizeof eight <= s.n; i += sizeof eight) {
		memcpy(&eight, s.p + i, sizeof eight);
		h = (h ^ eight) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	eight = 0;
	memcpy(&eight, s.p + i, s.n - i);
	h = (h ^ eight) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

struct mr_str
mr_parquet_dict_plain(const struct mr_parquet_dict *d, size_t i)
{
	size_t end = i + 1 < d->n ? d->offsets[i + 1] : d->entries.len;

	return (struct mr_str){ d->entries.p + d->offsets[i], end - d->offsets[i] };
}

static bool
is_entry(const struct mr_parquet_dict *d, size_t i, struct mr_str s)
{
	struct mr_str plain = mr_parquet_dict_plain(d, i);

	return plain.n == s.n + MR_PARQUET_LENGTH_BYTES &&
	    memcmp(plain.p + MR_PARQUET_LENGTH_BYTES, s.p, s.n) == 0;
}

static bool
add(struct mr_parquet_dict *d, struct mr_str s)
{
	if (d->n == MR_PARQUET_DICT_MAX || s.n > MR_PARQUET_DICT_MAX_BYTES ||
	    d->entries.len + MR_PARQUET_LENGTH_BYTES + s.n > MR_PARQUET_DICT_MAX_BYTES)
		return false;
	d->offsets[d->n] = (uint32_t)d->entries.len;
	mr_parquet_put_text(&d->entries, s);
	if (d->entries.failed)
		return false;
	d->last = d->n++;
	return true;
}

bool
mr_parquet_dict_find(struct mr_parquet_dict *d, struct mr_str s, uint16_t *number)
{
	uint32_t hash, tag;

	/* Neighbours are often equal. */
	if (d->n > 0 && is_entry(d, d->last, s)) {
		*number = (uint16_t)d->last;
		return true;
	}
	hash = hash_of(s);
	tag = hash & ~NUMBER_MASK;
	for (size_t probes = 0; probes < MAX_PROBES; probes++) {
		uint32_t *slot = &d->slots[(hash + probes) % SLOTS];
		size_t i = *slot & NUMBER_MASK;

		if (i == 0) {
			if (!add(d, s))
				return false;
			*slot = tag | (uint32_t)d->n;
		} else if ((*slot & ~NUMBER_MASK) == tag && is_entry(d, i - 1, s)) {
			d->last = i - 1;
		} else {
			continue;
		}
		*number = (uint16_t)d->last;
		return true;
	}
	return false;
}
