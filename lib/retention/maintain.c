/* A run: see maintain.h. */
#include "retention/maintain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/locks.h"
#include "db/partitions.h"
#include "db/query.h"
#include "db/schema.h"
#include "retention/count.h"
#include "retention/drop.h"

#define SHORT_MS 60000
/* Of a partition that is counted, for example. */
#define QUERY_TIMEOUT_MS INT64_C(3600000)

#define WHAT_BYTES 96

struct run {
	const struct mr_conf *conf;
	const volatile sig_atomic_t *stop;
	struct mr_db *db;
	struct mr_maintained *done;
};

/* When we are killed, a long query ends soon, and with it the lock. */
static enum mr_err
set_up(struct mr_db *db, void *arg, struct mr_error *err)
{
	(void)arg;
	if (mr_db_script(db, "SET client_connection_check_interval = '1s'", SHORT_MS, err) != MR_DB_OK)
		return MR_EAGAIN;
	return mr_schema_migrate(db, err);
}

static enum mr_err
connect_db(struct run *r, struct mr_error *err)
{
	struct mr_db_options options = mr_db_options_of(r->conf, "millrace maintain");

	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	options.idle_check_s = INT64_C(1) << 30;
	options.stop = r->stop;
	options.on_connect = set_up;
	if ((r->db = mr_db_new(&options)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	return mr_db_ensure(r->db, err);
}

static enum mr_err
take_lock(struct run *r, struct mr_error *err)
{
	int64_t locked = 0;
	enum mr_err e = mr_db_ask_int(r->db, "SELECT pg_try_advisory_lock(" MR_LOCK_MAINTAIN ")::int",
	    NULL, &locked, err);

	r->done->busy = e == MR_OK && locked == 0;
	return e;
}

/* What fails is said, and holds up nothing else; unless the connection is lost, too. */
static enum mr_err
go_on(struct run *r, enum mr_err e, const char *what, const struct mr_error *why,
    struct mr_error *err)
{
	if (e == MR_OK)
		return MR_OK;
	if (!mr_db_is_connected(r->db) || e == MR_ENOMEM) {
		*err = *why;
		return e;
	}
	r->done->failures++;
	mr_log_error("%s; the next run tries again: %s", what, why->text);
	return MR_OK;
}

static enum mr_err
make_ahead(struct run *r, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;

	return go_on(r, mr_partitions_make(r->db, r->conf, MR_PARTITIONS_TRIES, &r->done->made, &why),
	    "partitions were not made", &why, err);
}

static enum mr_err
empty_default(struct run *r, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;

	return go_on(r, mr_partitions_move_default(r->db, &r->done->moved, &why),
	    "events_default was not emptied", &why, err);
}

static enum mr_err
count_one(struct run *r, const struct mr_span *span, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	char what[WHAT_BYTES];

	(void)snprintf(what, sizeof what, "%.*s was not counted", (int)span->name.n, span->name.p);
	return go_on(r, mr_count_span(r->db, r->conf, span, &why), what, &why, err);
}

/* *again: something was counted, so they are to be judged once more. */
static enum mr_err
count_new(struct run *r, bool *again, struct mr_error *err)
{
	struct mr_spans *spans = &r->done->spans;
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < spans->n && e == MR_OK && *r->stop == 0; i++) {
		if (spans->items[i].fate != MR_SPAN_UNCOUNTED)
			continue;
		e = count_one(r, &spans->items[i], err);
		*again = true;
	}
	return e;
}

static enum mr_err
judge(struct run *r, struct mr_error *err)
{
	bool again = false;
	enum mr_err e;

	if ((e = mr_count_forget(r->db, err)) != MR_OK ||
	    (e = mr_spans_load(r->db, r->conf, &r->done->spans, err)) != MR_OK ||
	    (e = count_new(r, &again, err)) != MR_OK || !again)
		return e;
	mr_spans_free(&r->done->spans);
	return mr_spans_load(r->db, r->conf, &r->done->spans, err);
}

static enum mr_err
drop_one(struct run *r, size_t i, struct mr_error *err)
{
	const struct mr_span *s = &r->done->spans.items[i];
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_drop_span(r->db, s, &r->done->gone[i], &why);
	char what[WHAT_BYTES];

	(void)snprintf(what, sizeof what, "%.*s was not dropped", (int)s->name.n, s->name.p);
	if (e != MR_OK)
		return go_on(r, e, what, &why, err);
	if (!r->done->gone[i])
		return count_one(r, s, err);
	r->done->dropped++;
	r->done->dropped_bytes += s->bytes;
	mr_log_info("dropped %.*s: %" PRId64 " events, %" PRId64 " bytes%s", (int)s->name.n,
	    s->name.p, s->rows, s->bytes, s->early ? ", before its time, for max_bytes" : "");
	return MR_OK;
}

static enum mr_err
drop_all(struct run *r, struct mr_error *err)
{
	const struct mr_spans *spans = &r->done->spans;
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < spans->n && e == MR_OK && *r->stop == 0; i++)
		if (spans->items[i].fate == MR_SPAN_GOES)
			e = drop_one(r, i, err);
	return e;
}

static enum mr_err
list(struct run *r, struct mr_error *err)
{
	enum mr_err e = judge(r, err);

	if (e == MR_OK &&
	    (r->done->gone = calloc(r->done->spans.n + 1, sizeof *r->done->gone)) == NULL)
		e = mr_fail(err, MR_ENOMEM, "no memory");
	return e;
}

/* Counting is part of it, so it is done, and undone. */
static enum mr_err
look(struct run *r, struct mr_error *err)
{
	enum mr_err e;

	if ((e = mr_partitions_missing(r->db, r->conf, &r->done->made, err)) != MR_OK ||
	    (e = mr_tidy_look(r->db, r->conf, &r->done->tidied, err)) != MR_OK)
		return e;
	if (mr_db_script(r->db, "BEGIN", SHORT_MS, err) != MR_DB_OK)
		return MR_EAGAIN;
	e = list(r, err);
	mr_db_abort(r->db, SHORT_MS);
	return e;
}

/* Partitions are made before any is dropped: that is what events wait for. */
static enum mr_err
work(struct run *r, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	if ((e = make_ahead(r, err)) != MR_OK || (e = empty_default(r, err)) != MR_OK ||
	    (e = list(r, err)) != MR_OK ||
	    (e = drop_all(r, err)) != MR_OK || *r->stop != 0)
		return e;
	e = mr_tidy(r->db, r->conf, r->stop, &r->done->tidied, &why);
	return go_on(r, e, "what is old was not removed", &why, err);
}

enum mr_err
mr_maintain(const struct mr_conf *conf, bool dry_run, const volatile sig_atomic_t *stop,
    struct mr_maintained *done, struct mr_error *err)
{
	struct run r = { .conf = conf, .stop = stop, .done = done };
	enum mr_err e;

	*done = (struct mr_maintained){ .busy = false };
	if ((e = connect_db(&r, err)) == MR_OK && (e = take_lock(&r, err)) == MR_OK && !done->busy)
		e = dry_run ? look(&r, err) : work(&r, err);
	/* The server may notice only later that a connection has ended. */
	if (e == MR_OK && !done->busy)
		(void)mr_db_tell(r.db, "SELECT pg_advisory_unlock(" MR_LOCK_MAINTAIN ")", NULL, NULL);
	mr_db_free(r.db);
	return e;
}

void
mr_maintained_free(struct mr_maintained *done)
{
	free(done->gone);
	mr_spans_free(&done->spans);
	done->gone = NULL;
}
