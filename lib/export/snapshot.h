/*
 * PostgreSQL's snapshots as text ("xmin:xmax:xip,…", type pg_snapshot), and
 * what lies between two of them. Pure.
 *
 * A transaction is visible in a snapshot when its id is less than xmax and not
 * in xip. A snapshot that is cut at a smaller xmax is one too: what it shows
 * had all ended when the whole one was taken.
 */
#ifndef MR_EXPORT_SNAPSHOT_H
#define MR_EXPORT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define MR_SNAPSHOT_MAX_XIP 65536
#define MR_SNAPSHOT_MAX_TEXT ((size_t)32 * MR_SNAPSHOT_MAX_XIP) /* bytes; an id has 20 digits */

struct mr_snapshot {
	uint64_t xmin;
	uint64_t xmax;
	uint64_t *xip; /* ascending, each at least xmin and less than xmax */
	size_t n_xip;
};

/* MR_EINVAL: it is none; MR_ELIMIT, MR_ENOMEM. *s needs no free then. */
enum mr_err mr_snapshot_parse(struct mr_str text, struct mr_snapshot *s, struct mr_error *err);
void mr_snapshot_free(struct mr_snapshot *s);

/* MR_ENOMEM; *to needs no free then. */
enum mr_err mr_snapshot_copy(const struct mr_snapshot *from, struct mr_snapshot *to,
    struct mr_error *err);

/* Leaves only what is less than xmax; a larger xmax changes nothing. */
void mr_snapshot_cut(struct mr_snapshot *s, uint64_t xmax);

/* Appends its text. */
void mr_snapshot_put(struct mr_buf *to, const struct mr_snapshot *s);

/* Whether the transaction is visible in it. */
bool mr_snapshot_sees(const struct mr_snapshot *s, uint64_t xid);

/*
 * Appends the SQL condition on the bigint column ingest_xid, in parentheses
 * and of numbers only, of the rows that are visible in `to` and not in `from`
 * (NULL: of all that are visible in `to`). `to` must not be older than `from`.
 */
void mr_snapshot_between(struct mr_buf *sql, const struct mr_snapshot *from,
    const struct mr_snapshot *to);

#endif
