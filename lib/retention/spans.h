/*
 * The partitions of events, oldest first: how much each holds, and whether it may go.
 *
 * One may go when every row of it has been delivered to every destination of its client. Then
 * it stays for a while all the same, unless there are too many bytes.
 */
#ifndef MR_RETENTION_SPANS_H
#define MR_RETENTION_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"
#include "db/query.h"

enum mr_span_fate {
	MR_SPAN_OPEN,      /* its time is not over, or was not long ago */
	MR_SPAN_UNCOUNTED, /* nobody knows yet what lies in it */
	MR_SPAN_HELD,      /* by whom: see holders */
	MR_SPAN_KEPT,      /* it may go, but not yet */
	MR_SPAN_GOES
};

struct mr_span {
	enum mr_span_fate fate;
	bool early;            /* it goes before its time, as there are too many bytes */
	struct mr_str name;
	struct mr_str low, high; /* as PostgreSQL writes them */
	int64_t bytes;
	int64_t rows;          /* counted, or else estimated */
	struct mr_str snapshot; /* of the count, if there was one */
	int64_t until_us;      /* MR_SPAN_KEPT: until then */
	bool held_by_destination; /* or by an export of a span of time */
	struct mr_str holders; /* p == NULL: none; "client acme, bucket (17 events)", … */
};

struct mr_spans {
	struct mr_span *items;
	size_t n;
	int64_t bytes;         /* of all, with the default partition */
	int64_t default_bytes; /* of that one */
	int64_t now_us;        /* the server's clock */
	struct mr_db_rows *rows; /* owner of the texts */
};

/*
 * Looks at all of them, and decides what goes. Errors: MR_EAGAIN, MR_ENOMEM; the spans are
 * empty then. Free them in any case.
 */
enum mr_err mr_spans_load(struct mr_db *db, const struct mr_conf *conf, struct mr_spans *spans,
    struct mr_error *err);
void mr_spans_free(struct mr_spans *spans);

#endif
