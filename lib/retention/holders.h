/*
 * Who keeps partitions from being dropped: the destinations that lack events of theirs.
 */
#ifndef MR_RETENTION_HOLDERS_H
#define MR_RETENTION_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "db/query.h"

struct mr_holder {
	struct mr_str client, destination;
	bool known;           /* it has ever been planned for, in this cluster */
	int64_t partitions;
	int64_t rows;         /* of its sites in those, some of which it lacks */
	int64_t bytes;        /* of those, by their share in their partitions */
	struct mr_str since;  /* when the oldest of the partitions begins */
	int64_t age_s;        /* since the time of the oldest was over */
	struct mr_str error;  /* of its last export; p == NULL: none */
};

struct mr_holders {
	struct mr_holder *items; /* the one that holds the oldest first */
	size_t n;
	struct mr_db_rows *rows; /* owner of the texts */
};

/* Errors: MR_EAGAIN, MR_ENOMEM; the holders are empty then. Free them in any case. */
enum mr_err mr_holders_load(struct mr_db *db, const struct mr_conf *conf,
    struct mr_holders *holders, struct mr_error *err);
void mr_holders_free(struct mr_holders *holders);

#endif
