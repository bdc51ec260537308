/*
 * How large the buffer is, and who holds it: sizes from the catalogue, cursors, and what
 * millrace-maintain has counted. No event is read for it.
 */
#ifndef MR_RETENTION_BUFFER_H
#define MR_RETENTION_BUFFER_H

#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "retention/holders.h"

enum mr_buffer_age {
	MR_BUFFER_OPEN,    /* the partitions whose time is not over */
	MR_BUFFER_DAY,     /* over for less than a day */
	MR_BUFFER_OLDER,
	MR_BUFFER_DEFAULT, /* what has no partition of its own */
	MR_BUFFER_AGES
};

struct mr_buffer_class {
	int64_t partitions;
	int64_t bytes;  /* with their indexes */
	int64_t events; /* counted, or else as ANALYZE saw them, or by the bytes of the others */
};

struct mr_buffer_state {
	struct mr_buffer_class classes[MR_BUFFER_AGES];
	struct mr_holders holders;
};

/* "open", "day", "older" or "default". */
const char *mr_buffer_age_name(enum mr_buffer_age age);

/* Errors: MR_EAGAIN, MR_ENOMEM; it is empty then. Free it in any case. */
enum mr_err mr_buffer_load(struct mr_db *db, const struct mr_conf *conf,
    struct mr_buffer_state *state, struct mr_error *err);
void mr_buffer_free(struct mr_buffer_state *state);

#endif
