/*
 * The dictionary of one Parquet column chunk: the distinct texts and their
 * numbers, in the order in which they came.
 */
#ifndef MR_PARQUET_DICT_H
#define MR_PARQUET_DICT_H

#include "base/buf.h"

#define MR_PARQUET_DICT_MAX 32768              /* entries */
#define MR_PARQUET_DICT_MAX_BYTES ((size_t)1 << 20) /* of their PLAIN form */

struct mr_parquet_dict {
	struct mr_buf entries; /* PLAIN: lengths and bytes, as the dictionary page has them */
	size_t n;
	size_t last;           /* the entry that was found last */
	uint32_t *offsets;     /* of each in `entries` */
	uint32_t *slots;       /* open addressing: half of the hash, number + 1; or 0 */
};

/* NULL when there is no memory. */
struct mr_parquet_dict *mr_parquet_dict_new(void);
void mr_parquet_dict_free(struct mr_parquet_dict *d);

/* Forgets all entries. */
void mr_parquet_dict_reset(struct mr_parquet_dict *d);

/*
 * The number of the text, which is d->n - 1 afterwards when it is new. False
 * when it is not in it and cannot be added: the dictionary is full, or so many
 * texts share its hash that somebody must have chosen them so.
 */
bool mr_parquet_dict_find(struct mr_parquet_dict *d, struct mr_str s, uint16_t *number);

/* Entry i in its PLAIN form. */
struct mr_str mr_parquet_dict_plain(const struct mr_parquet_dict *d, size_t i);

#endif
